/** The URLs of the API. */

import { TunerError } from "../errors.js";

const PREFIX = "/api/v1";

/**
 * A value of a query: texts as they are, all else as JSON; a list gives its key for each item, and
 * without a value the key is left out.
 */
export type QueryValue = string | number | boolean | object | null | undefined;

/** Return the URL of the API for that of the service, which may end in `/api/v1` already. */
export function apiUrl(baseUrl: string): string {
  const url = parse(baseUrl);
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash) {
    throw new TunerError(
      `"${baseUrl}" is not the address of a service: expected http:// or https:// and a host`,
    );
  }
  const path = url.pathname.replace(/\/+$/, "");
  return url.origin + (path.endsWith(PREFIX) ? path : path + PREFIX);
}

/** Parse a URL; in a browser it may be relative to the page. */
function parse(url: string): URL | undefined {
  const page = (globalThis as { location?: { href: string } }).location?.href;
  try {
    return new URL(url, page);
  } catch {
    return undefined;
  }
}

/** Throw if no study can have this name. */
export function checkStudyName(name: string): void {
  if (name === "" || name === "." || name === ".." || name.includes("/")) {
    throw new TunerError(
      `"${name}" cannot name a study: expected 1 to 256 characters, without "/", and not "." or ".."`,
    );
  }
}

/** Return the path of a study, or of something of it. */
export function studyPath(name: string, ...rest: (string | number)[]): string {
  checkStudyName(name);
  return ["/studies", ...[name, ...rest].map(encodeURIComponent)].join("/");
}

/** Return the query with its question mark; empty without keys. */
export function queryString(query: Record<string, QueryValue> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const pairs = given.flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map((each: QueryValue): [string, string] => [key, toText(each)]),
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}

function toText(value: QueryValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
