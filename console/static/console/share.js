// The page that a link to a study opens: sends the key in the link's fragment as a token, puts the
// study's part into the page, and starts its script.
import { credentials } from "./credentials.js";

const page = document.getElementById("share");
const message = document.getElementById("share-message");
const REFUSED = "This link does not exist, has expired, or was revoked. Ask for a new one where you got it.";

function refuse(text) {
  message.textContent = text;
  message.className = "share-refused";
}

async function open() {
  const key = location.hash.slice(1);
  if (!/^[\w.-]+$/.test(key)) return refuse(REFUSED);
  credentials.Authorization = `Bearer ${key}`;
  const response = await fetch(page.dataset.page, { headers: credentials, credentials: "omit" });
  if (response.status === 401 || response.status === 404) return refuse(REFUSED);
  if (!response.ok) return refuse(`The study cannot be shown now (${response.status}). Reload the page later.`);
  page.innerHTML = await response.text(); // rendered by the service, which escapes all names
  document.title = document.getElementById("share-title").textContent;
  await import("./study.js");
}

addEventListener("hashchange", () => location.reload()); // another link in the same tab
open().catch((error) => refuse(`The study cannot be shown now (${error.message}). Reload the page later.`));
