// What the scripts of a study's page share: its elements, requests to the API, and new elements.
import { credentials } from "./credentials.js";

export const section = document.getElementById("tuner-study");
export const objectiveCount = Number(section.dataset.objectives);
export const element = (name) => document.getElementById(`tuner-${name}`);

const MAX_RETRIES = 20;

// The JSON of a GET of the study's API; an error has the problem's detail and the HTTP status. While
// other plots of the user are being computed (429), it is asked for again.
export async function fetchJson(path, retries = MAX_RETRIES) {
  const headers = { Accept: "application/json", ...credentials };
  const response = await fetch(section.dataset.api + path, { headers });
  if (response.ok) return response.json();
  if (response.status === 429 && retries > 0) {
    const seconds = Number(response.headers.get("Retry-After") ?? 1) * (1 + Math.random());
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    return fetchJson(path, retries - 1);
  }
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  throw Object.assign(new Error(detail), { status: response.status });
}

export function createElement(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

// Text and tables -----------------------------------------------------------------------------

export const EMPTY = "–";
export const formatNumber = (value) => (value === null ? EMPTY : Number(value.toPrecision(6)).toString());
export const formatCount = (n) => (n === null ? EMPTY : n.toLocaleString());

export const note = (text) => createElement("p", { className: "tuner-note", textContent: text });

export function row(tag, cells) {
  const created = cells.map((cell) => createElement(tag, {}, cell instanceof Node ? cell : String(cell)));
  if (tag === "th") created.forEach((cell) => (cell.scope = "col"));
  return createElement("tr", {}, ...created);
}

export function table(heads, rows) {
  const head = createElement("thead", {}, row("th", heads));
  const body = createElement("tbody", {}, ...rows.map((cells) => row("td", cells)));
  return createElement("table", { className: "tuner-table" }, head, body);
}
