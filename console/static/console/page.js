// What the scripts of a study's page share: the page, the API, and making elements.
export const page = document.getElementById("tuner-study");
export const objectives = Number(page.dataset.objectives);
export const element = (id) => document.getElementById(`tuner-${id}`);

export async function ask(path) {
  const response = await fetch(page.dataset.api + path, { headers: { Accept: "application/json" } });
  if (response.ok) return response.json();
  const { detail } = await response.json().catch(() => ({ detail: response.statusText }));
  throw Object.assign(new Error(detail), { status: response.status });
}

export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
