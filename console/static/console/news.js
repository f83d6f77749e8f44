// Whether a study has changed since it was last asked: the feed of its events, by ETag.
import { credentials } from "./credentials.js";
import { section } from "./page.js";

let cursor = null; // the number of the last known event
let etag = "";

// One small request, which is answered by a 304 while nothing has changed. Where it fails, it counts
// as news: what is read then says what is wrong.
export async function hasNews() {
  const query = cursor === null ? "?limit=1" : `?after=${cursor}&limit=1000`;
  const headers = { Accept: "application/json", ...credentials, ...(etag && { "If-None-Match": etag }) };
  const response = await fetch(`${section.dataset.api}/events${query}`, { headers, cache: "no-store" });
  if (response.status === 304) return false;
  if (!response.ok) {
    cursor = null;
    etag = "";
    return true;
  }
  const feed = await response.json();
  cursor = cursor === null ? feed.last : feed.next_after;
  etag = response.headers.get("ETag") ?? "";
  return true;
}
