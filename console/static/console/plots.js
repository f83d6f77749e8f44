// Optuna's plots of a study: each asks the API for its figure while it is in view, and Plotly draws it.
import { ask, element, make, objectives, page } from "./page.js";

export const REDRAW_MS = 10000; // between two drawings of a plot, at least
const REDRAW_TIMES = 20; // and so many times what it took, so that large studies cost little

export const KINDS = [
  "history",
  "importance",
  "parallel_coordinate",
  "slice",
  "intermediate_values",
  ...(objectives === 2 || objectives === 3 ? ["pareto_front"] : []),
  ...(objectives > 1 ? ["hypervolume"] : []),
  "contour",
  "rank",
  "edf",
  "timeline",
];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A colour of the theme as the browser resolves it, for a script that does not know light-dark().
function resolved(name) {
  const probe = page.appendChild(make("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// `view` names what is shown: while it stays, so do the zoom and the hidden traces.
function themed(layout, view) {
  const lines = { gridcolor: resolved("--hairline-color"), zerolinecolor: resolved("--border-color") };
  const template = structuredClone(layout.template ?? {});
  template.layout = {
    ...template.layout,
    xaxis: { ...template.layout?.xaxis, ...lines },
    yaxis: { ...template.layout?.yaxis, ...lines },
  };
  const annotations = (layout.annotations ?? []).map((each) => ({
    ...each,
    font: { ...each.font, color: resolved("--body-fg") },
  }));
  return {
    ...layout,
    template,
    annotations,
    title: undefined,
    uirevision: view,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: resolved("--body-fg"), family: colour("--font-family-primary"), size: 11 },
    margin: { l: 50, r: 20, t: 20, b: 45 },
    autosize: true,
    width: undefined,
    height: undefined,
  };
}

export class Plot {
  constructor(kind) {
    this.kind = kind;
    this.title = make("h3", { textContent: kind.replaceAll("_", " ") });
    this.note = make("p", { className: "tuner-note" });
    this.area = make("div", { className: "tuner-plot", id: `tuner-plot-${kind}` });
    this.card = make("div", { className: "tuner-card" }, this.title, this.note, this.area);
    this.isInView = false;
    this.notBefore = 0;
    this.drawnOf = null; // what was drawn: the study's revision, and what was chosen
    this.figure = null;
  }

  get query() {
    const chosen = new URLSearchParams();
    if (objectives > 1 && !["pareto_front", "hypervolume", "timeline", "intermediate_values"].includes(this.kind))
      chosen.set("target_idx", element("tools").querySelector("[name=target_idx]").value);
    if (this.kind === "importance")
      chosen.set("method", element("tools").querySelector("[name=method]").value);
    return chosen.toString();
  }

  async draw(revision, isUrgent = false) {
    const wanted = `${revision}?${this.query}`;
    const begun = performance.now();
    if (!this.isInView || wanted === this.drawnOf || (begun < this.notBefore && !isUrgent)) return;
    this.drawnOf = wanted;
    this.notBefore = Infinity;
    this.card.classList.add("tuner-loading");
    try {
      const figure = await ask(`/plots/${this.kind}?${this.query}`);
      if (wanted !== this.drawnOf) return; // something else was chosen meanwhile
      this.figure = figure;
      await this.paint();
    } catch (error) {
      if (wanted !== this.drawnOf) return;
      this.note.textContent = error.message;
      this.drawnOf = null; // to be tried again
    }
    this.card.classList.remove("tuner-loading");
    const now = performance.now();
    this.notBefore = now + Math.max(REDRAW_MS, REDRAW_TIMES * (now - begun));
  }

  async paint() {
    if (this.figure === null) return;
    const { title } = this.figure.layout;
    this.title.textContent = title.text;
    this.note.textContent = title.subtitle?.text ?? "";
    const isEmpty = this.figure.data.length === 0;
    this.area.hidden = isEmpty;
    if (isEmpty) return;
    const options = { responsive: true, displaylogo: false };
    await Plotly.react(this.area, this.figure.data, themed(this.figure.layout, this.query || "all"), options);
  }
}
