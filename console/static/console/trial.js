// The page of a trial: draws its curve among others, and refreshes what changes while it runs.
import { element, section } from "./page.js";
import { drawFigure, onThemeChange } from "./plots.js";

const REFRESH_MS = 10000;
const OTHERS = "rgba(128, 128, 128, 0.35)";
const THIS = "#e8590c";
const BEST = "#2f9e44";

function trace(curve, name, line, more = {}) {
  return {
    x: curve.steps,
    y: curve.values,
    name,
    line,
    mode: curve.steps.length > 1 ? "lines" : "markers",
    marker: { color: line.color },
    ...more,
  };
}

async function fetchCurves() {
  const response = await fetch(section.dataset.curves, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(response.statusText);
  return response.json();
}

let curves = null;

async function drawCurves() {
  if (curves === null) return;
  const { this: own, best, others } = curves;
  element("curve-card").hidden = own.steps.length === 0;
  if (own.steps.length === 0) return;
  const quiet = { showlegend: false, hoverinfo: "skip" };
  const data = others.map((curve) => trace(curve, `trial ${curve.trial_id}`, { color: OTHERS, width: 1 }, quiet));
  if (best !== null) data.push(trace(best, `best: trial ${best.trial_id}`, { color: BEST, width: 2 }));
  data.push(trace(own, `trial ${own.trial_id}`, { color: THIS, width: 3 }));
  element("curve-note").textContent = others.length ? `Thin: ${others.length} other trials that reported.` : "";
  const layout = { xaxis: { title: { text: "Step" } }, yaxis: {}, legend: { orientation: "h", y: 1.12 }, showlegend: true };
  await drawFigure(element("curve"), data, layout, "curves");
}

// Replace the parts of the page that change by those of the page as it is now.
async function refreshParts() {
  const response = await fetch(location.href);
  if (!response.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(part.id);
    if (now !== null && now.innerHTML !== part.innerHTML) part.replaceChildren(...now.childNodes);
  }
  section.dataset.state = fresh.getElementById(section.id)?.dataset.state ?? section.dataset.state;
  scrollLogs();
}

function scrollLogs() {
  for (const log of document.querySelectorAll(".tuner-log")) log.scrollTop = log.scrollHeight;
}

async function refresh() {
  curves = await fetchCurves();
  await drawCurves();
}

async function follow() {
  for (let isFirst = true; ; isFirst = false) {
    try {
      if (!document.hidden) {
        if (!isFirst) await refreshParts();
        await refresh();
      }
    } catch (error) {
      element("curve-note").textContent = `The update failed: ${error.message}`;
    }
    if (section.dataset.state !== "RUNNING" && section.dataset.state !== "WAITING") return;
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}

onThemeChange(drawCurves);
scrollLogs();
follow();
