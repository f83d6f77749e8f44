// What the scripts of a study's page share: its elements, requests to the API, and new elements.
export const section = document.getElementById("tuner-study");
export const objectiveCount = Number(section.dataset.objectives);
export const element = (name) => document.getElementById(`tuner-${name}`);

// The JSON of a GET of the study's API; an error has the problem's detail and the HTTP status.
export async function fetchJson(path) {
  const response = await fetch(section.dataset.api + path, { headers: { Accept: "application/json" } });
  if (response.ok) return response.json();
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  throw Object.assign(new Error(detail), { status: response.status });
}

export function createElement(tag, properties = {}, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}
