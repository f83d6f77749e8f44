// The page that compares studies: fetches the comparison, and shows it as a sentence, plots and tables.
import {
  EMPTY,
  createElement,
  element,
  fetchJson,
  formatCount,
  formatNumber,
  note,
  row,
  section,
  table,
} from "./page.js";
import { drawFigure, onThemeChange } from "./plots.js";

// Colours that are distinct also for the colour-blind (Okabe and Ito), and a dash for each line.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#a6761d"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash"];
const UNITS = [
  [86400, "days"],
  [3600, "hours"],
  [60, "minutes"],
  [1, "seconds"],
];
const KINDS = {
  definition: "Definition",
  sampler_options: "Sampler options",
  pruner_options: "Pruner options",
  search_space: "Search space",
  budgets: "Budgets and leases",
  best_params: "Best parameters",
  user_attrs: "User attributes",
};
const MAX_NAME = 40;

// Text and elements ---------------------------------------------------------------------------

const shortened = (name) => (name.length > MAX_NAME ? `${name.slice(0, MAX_NAME - 1)}…` : name);

function formatDuration(seconds) {
  if (seconds === null) return EMPTY;
  const [size, unit] = UNITS.find(([size]) => seconds >= 2 * size) ?? UNITS.at(-1);
  return `${Number((seconds / size).toPrecision(3))} ${unit}`;
}

function swatch(index) {
  const mark = createElement("span", { className: "tuner-swatch", ariaHidden: "true" });
  mark.style.background = COLOURS[index];
  return mark;
}

function studyLink(study, index) {
  const href = `${section.dataset.pages}${study.study_id}/change/`;
  const link = createElement("a", { href, title: study.study_name }, shortened(study.study_name));
  return createElement("span", {}, swatch(index), link);
}

// A setting in words; what is not JSON was cut.
function formatSetting(kind, text) {
  if (text === null) return EMPTY;
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (kind === "search_space") return formatParameter(value);
  if (kind === "best_params" && typeof value === "number") return formatNumber(value);
  return typeof value === "string" ? value : text;
}

function formatParameter({ type, low, high, choices, step, log, when, ...others }) {
  const parts = [low === undefined ? `${type}: ${JSON.stringify(choices ?? others)}` : `${type}: ${low} to ${high}`];
  if (step) parts.push(`step ${step}`);
  if (log) parts.push("log");
  if (when) parts.push(`when ${JSON.stringify(when)}`);
  return parts.join(", ");
}

// Tables --------------------------------------------------------------------------------------

function isBest(comparison, study) {
  const values = comparison.studies.map(({ value }) => value).filter((value) => value !== null);
  const best = comparison.direction === "minimize" ? Math.min(...values) : Math.max(...values);
  return study.value === best;
}

function showReached(comparison) {
  const { target, metric } = comparison;
  const best = metric === "hypervolume" ? "Hypervolume" : `Best ${metric}`;
  const rows = comparison.studies.map((study, index) => {
    const value = formatNumber(study.value);
    return [
      studyLink(study, index),
      isBest(comparison, study) ? createElement("strong", {}, `${value} ★`) : value,
      study.best === null ? EMPTY : trialLink(study),
      formatCount(study.n_trials),
      study.state.toLowerCase(),
      formatCount(study.reached?.n_trials ?? null),
      formatDuration(study.reached?.seconds ?? null),
    ];
  });
  const reached = target === null ? "a value" : formatNumber(target);
  const heads = ["Study", `${best} (${comparison.direction})`, "Best trial", "Trials", "State"];
  element("reached").replaceChildren(table([...heads, `Trials to reach ${reached}`, `Time to reach ${reached}`], rows));
  if (comparison.studies.some((study) => study.is_subsampled))
    element("reached").append(note("The hypervolume is computed from some of the trials: those on the front first."));
}

function trialLink({ study_id, best }) {
  const query = new URLSearchParams({ study__id__exact: study_id, q: best.trial_id });
  return createElement("a", { href: `${section.dataset.trials}?${query}` }, String(best.trial_id));
}

function showSettings(comparison) {
  const isWhole = element("all-rows").checked;
  const shown = comparison.settings.filter((each) => isWhole || each.differs);
  const heads = ["Setting", ...comparison.studies.map((study, index) => studyLink(study, index))];
  const rows = [];
  for (const [kind, title] of Object.entries(KINDS)) {
    const ofKind = shown.filter((each) => each.kind === kind);
    if (ofKind.length === 0) continue;
    rows.push({ title });
    for (const each of ofKind)
      rows.push({ cells: [each.name, ...each.values.map((text) => formatSetting(kind, text))], differs: each.differs });
  }
  const created = table(heads, []);
  created.tBodies[0].append(
    ...rows.map(({ title, cells, differs }) => {
      if (cells) return Object.assign(row("td", cells), { className: differs ? "tuner-differs" : "" });
      const head = createElement("th", { colSpan: heads.length, scope: "colgroup", textContent: title });
      return createElement("tr", { className: "tuner-kind" }, head);
    }),
  );
  const missing = (isWhole ? comparison.n_settings : comparison.n_differing) - shown.length;
  element("settings").replaceChildren(rows.length ? created : note("The studies have the same settings."));
  if (missing > 0) element("settings").append(note(`${formatCount(missing)} further rows are left out.`));
}

function showGroups({ groups, studies }) {
  const repeated = groups.filter((group) => group.studies.length > 1);
  element("groups").hidden = repeated.length === 0;
  const rows = groups.map((group, index) => [
    index + 1,
    createElement("span", {}, ...group.studies.flatMap((each) => [studyLink(studies[each], each), " "])),
    group.n,
    formatNumber(group.mean),
    formatNumber(group.median),
  ]);
  element("groups").replaceChildren(
    createElement("h3", { textContent: "Studies with the same definition but for the seed" }),
    createElement("div", { className: "tuner-wide" }, table(["Group", "Studies", "Results", "Mean", "Median"], rows)),
  );
}

// Plots ---------------------------------------------------------------------------------------

const PLOTS = ["trials", "time", "edf"].map((kind) => {
  const title = createElement("h3");
  const area = createElement("div", { className: "tuner-plot", id: `tuner-plot-${kind}` });
  area.setAttribute("role", "figure");
  return { kind, title, area, card: createElement("div", { className: "tuner-card" }, title, area) };
});
element("plots").append(...PLOTS.map(({ card }) => card));

function figureOf(kind, comparison) {
  const { studies, metric, direction } = comparison;
  const value = `${metric} (${direction})`;
  const seconds = Math.max(0, ...studies.map((study) => study.best_over_time.at(-1)?.seconds ?? 0));
  const [size, unit] = UNITS.find(([size]) => seconds >= 2 * size) ?? UNITS.at(-1);
  return {
    trials: {
      title: "Best over trials",
      axes: ["Trials begun", `Best ${value}`],
      points: ({ best_over_trials }) => best_over_trials.map((each) => [each.n_trials, each.value]),
    },
    time: {
      title: "Best over time",
      axes: [`Time since the first trial (${unit})`, `Best ${value}`],
      points: ({ best_over_time }) => best_over_time.map((each) => [each.seconds / size, each.value]),
    },
    edf: {
      title: "Distribution of the values",
      axes: [value, "Share of the trials up to it"],
      points: ({ edf }) => edf.map((each) => [each.value, each.share]),
    },
  }[kind];
}

function drawPlot({ kind, title, area, card }, comparison) {
  const figure = figureOf(kind, comparison);
  const traces = comparison.studies.map((study, index) => {
    const points = figure.points(study);
    return {
      type: "scatter",
      mode: points.length === 1 ? "markers" : "lines",
      name: shortened(study.study_name).replaceAll("<", "‹"),
      x: points.map(([x]) => x),
      y: points.map(([, y]) => y),
      line: { shape: "hv", color: COLOURS[index], dash: DASHES[index], width: 2 },
      marker: { color: COLOURS[index] },
    };
  });
  card.hidden = traces.every((trace) => trace.x.length === 0);
  if (card.hidden) return;
  title.textContent = figure.title;
  area.setAttribute("aria-label", `${figure.title}: ${comparison.headline}`);
  const [x, y] = figure.axes.map((text) => ({ title: { text: text.replaceAll("<", "‹") }, automargin: true }));
  const layout = { xaxis: x, yaxis: y, showlegend: true, legend: { orientation: "h", y: -0.25 } };
  drawFigure(area, traces, layout, comparison.metric);
}

// The page ------------------------------------------------------------------------------------

let shown = null;
const form = element("options");
const drawPlots = () => shown && PLOTS.forEach((plot) => drawPlot(plot, shown));

function show(comparison) {
  shown = comparison;
  element("headline").textContent = comparison.headline;
  element("significance").textContent = comparison.significance;
  showReached(comparison);
  showGroups(comparison);
  showSettings(comparison);
  drawPlots();
}

const chosenOptions = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim() !== ""));

async function refresh() {
  const query = chosenOptions();
  keepInUrl(query);
  section.classList.add("tuner-loading");
  try {
    show(await fetchJson(`&rows=all&${query}`));
  } catch (error) {
    element("headline").textContent = error.message;
    element("significance").textContent = "";
  }
  section.classList.remove("tuner-loading");
}

// Keep the choices in the URL, so that the view can be shared.
function keepInUrl(query) {
  const url = new URL(location.href);
  const ids = url.searchParams.get("ids");
  url.search = "";
  for (const [key, value] of [["ids", ids], ...query]) url.searchParams.set(key, value);
  if (element("all-rows").checked) url.searchParams.set("rows", "all");
  history.replaceState(null, "", url.href.replaceAll("%2C", ","));
}

function readUrl() {
  const given = new URL(location.href).searchParams;
  for (const name of ["target", "target_idx"]) if (given.has(name)) form.elements[name].value = given.get(name);
  element("all-rows").checked = given.get("rows") === "all";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  refresh();
});
form.elements.target_idx.addEventListener("change", refresh);
element("all-rows").addEventListener("change", () => {
  keepInUrl(chosenOptions());
  if (shown) showSettings(shown);
});
onThemeChange(drawPlots);
readUrl();
refresh();
