// Optuna's plots of a study: each fetches its figure while it is in view, and Plotly draws it.
import { createElement, element, fetchJson, objectiveCount, section } from "./page.js";
import { applyOptions } from "./plot_options.js";
import { describe, openTrialOnClick } from "./plot_points.js";

export const MIN_REDRAW_MS = 10000; // the shortest time between two drawings of a plot
const REDRAW_FACTOR = 20; // a plot waits this many times as long as its last drawing took

const ALL_OBJECTIVES_KINDS = ["pareto_front", "hypervolume", "timeline", "intermediate_values"];
// By what the study is, the plots of the most use first: with several objectives the front, of
// trainings the curves. Curves without reports are last.
const CURVES = ["intermediate_values"];
const FRONT = [
  ...(objectiveCount === 2 || objectiveCount === 3 ? ["pareto_front"] : []),
  ...(objectiveCount > 1 ? ["hypervolume"] : []),
];
const hasReports = section.dataset.reports === "yes";
export const PLOT_KINDS = [
  ...FRONT,
  "history",
  ...(hasReports ? CURVES : []),
  "importance",
  "parallel_coordinate",
  "slice",
  "contour",
  "rank",
  "edf",
  "timeline",
  ...(hasReports ? [] : CURVES),
];

const cssVariable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A colour of the theme as the browser computes it, because Plotly does not know light-dark().
function themeColour(name) {
  const probe = section.appendChild(createElement("i"));
  probe.style.color = `var(${name})`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

// The layout in the colours of the theme. While `revision` stays the same, Plotly keeps the zoom
// and the hidden traces.
function applyTheme(layout, revision) {
  const lines = { gridcolor: themeColour("--hairline-color"), zerolinecolor: themeColour("--border-color") };
  const template = structuredClone(layout.template ?? {});
  template.layout = {
    ...template.layout,
    xaxis: { ...template.layout?.xaxis, ...lines },
    yaxis: { ...template.layout?.yaxis, ...lines },
  };
  const annotations = (layout.annotations ?? []).map((annotation) => ({
    ...annotation,
    font: { ...annotation.font, color: themeColour("--body-fg") },
  }));
  return {
    ...layout,
    template,
    annotations,
    title: undefined,
    uirevision: revision,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: themeColour("--body-fg"), family: cssVariable("--font-family-primary"), size: 11 },
    margin: { l: 50, r: 20, t: 20, b: 45 },
    autosize: true,
    width: undefined,
    height: undefined,
  };
}

export const drawFigure = (area, data, layout, revision) =>
  Plotly.react(area, data, applyTheme(layout, revision), { responsive: true, displaylogo: false });

// Draw again whenever the theme of the page changes, by its switch or by the system.
export function onThemeChange(redraw) {
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

export class Plot {
  constructor(kind) {
    this.kind = kind;
    this.title = createElement("h3", { textContent: kind.replaceAll("_", " ") });
    this.note = createElement("p", { className: "tuner-note" });
    this.area = createElement("div", { className: "tuner-plot", id: `tuner-plot-${kind}` });
    this.area.setAttribute("role", "figure");
    this.card = createElement("div", { className: "tuner-card" }, this.title, this.note, this.area);
    this.isInView = false;
    this.earliestRedraw = 0;
    this.requested = null; // the study's revision and the query of the figure that was requested
    this.figure = null;
  }

  get query() {
    const query = new URLSearchParams();
    if (objectiveCount > 1 && !ALL_OBJECTIVES_KINDS.includes(this.kind))
      query.set("target_idx", element("plot-options").querySelector("[name=target_idx]").value);
    if (this.kind === "importance")
      query.set("method", element("plot-options").querySelector("[name=method]").value);
    return query.toString();
  }

  // Fetch and draw the figure where it may have changed; `isForced` does not wait for the next turn.
  async update(revision, isForced = false) {
    const request = `${revision}?${this.query}`;
    const start = performance.now();
    if (!this.isInView || request === this.requested || (start < this.earliestRedraw && !isForced)) return;
    this.requested = request;
    this.earliestRedraw = Infinity;
    this.card.classList.add("tuner-loading");
    try {
      const figure = await fetchJson(`/plots/${this.kind}?${this.query}`);
      if (request !== this.requested) return; // replaced by a later request
      this.figure = figure;
      await this.draw();
    } catch (error) {
      if (request !== this.requested) return;
      this.note.textContent = error.message;
      this.requested = null; // try again at the next update
    }
    this.card.classList.remove("tuner-loading");
    const end = performance.now();
    this.earliestRedraw = end + Math.max(MIN_REDRAW_MS, REDRAW_FACTOR * (end - start));
  }

  async draw() {
    if (this.figure === null) return;
    const { title } = this.figure.layout;
    const { data, layout, notes } = applyOptions(this.kind, this.figure);
    this.title.textContent = title.text;
    this.note.textContent = [title.subtitle?.text, ...notes].filter(Boolean).join("; ");
    const isEmpty = data.length === 0;
    this.area.hidden = isEmpty;
    if (isEmpty) return;
    this.area.setAttribute("aria-label", describe(this.kind, title.text, data));
    const isFirst = this.area.on === undefined;
    await drawFigure(this.area, data, layout, this.query || "all");
    if (isFirst) openTrialOnClick(this.kind, this.area);
  }
}
