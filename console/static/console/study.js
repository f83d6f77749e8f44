// The page of a study: polls the study's progress, and redraws the plots that are in view.
import { hasNews } from "./news.js";
import { credentials } from "./credentials.js";
import {
  EMPTY,
  createElement,
  element,
  fetchJson,
  formatCount,
  formatNumber,
  note,
  objectiveCount,
  section,
  table,
} from "./page.js";
import { MIN_REDRAW_MS, PLOT_KINDS, Plot, onThemeChange } from "./plots.js";

const POLL_MS = 2000;
const MAX_POLL_MS = 30000; // after repeated errors
const READ_ANYWAY_MS = 30000; // rates and leases change though nothing happens
const STATES = ["COMPLETE", "PRUNED", "RUNNING", "WAITING", "FAIL"];

// Text and elements ---------------------------------------------------------------------------

const formatValues = (value) => (Array.isArray(value) ? value.map(formatNumber).join(", ") : formatNumber(value));
const formatTime = (text) => (text === null ? EMPTY : text.slice(0, 19).replace("T", " "));
const formatParam = (value) => (typeof value === "number" ? formatNumber(value) : JSON.stringify(value));

function formatElapsed(start, now) {
  if (start === null) return EMPTY;
  const seconds = Math.max(0, (Date.parse(now) - Date.parse(start)) / 1000);
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  if (seconds < 3600) return `${(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function stateBadge(state, text, href) {
  const properties = { className: `tuner-state tuner-state-${state.toLowerCase()}`, textContent: text };
  return createElement(href ? "a" : "span", href ? { ...properties, href } : properties);
}

// A page without links to trials has the text alone.
function trialsLink(query, text, title = "") {
  const { trials } = section.dataset;
  return trials ? createElement("a", { href: `${trials}${query}`, title }, text) : text;
}

function trialLink(number, text = String(number), title = "") {
  const { trial } = section.dataset;
  return trial ? createElement("a", { href: `${trial}${number}/`, title }, text) : text;
}

const tableOr = (emptyText, heads, rows) => (rows.length === 0 ? note(emptyText) : table(heads, rows));

// Progress ------------------------------------------------------------------------------------

function showProgress(progress) {
  element("state").replaceChildren(
    stateBadge(progress.state, progress.state.toLowerCase()),
    ` ${progress.state_reason ?? ""}`,
  );
  showCounts(progress);
  showBudgets(progress);
  showRate(progress);
  showRunning(progress);
  showFailures(progress);
}

function showCounts({ trial_counts: counts, n_trials, max_trials }) {
  element("trials").replaceChildren(trialsLink("", formatCount(n_trials)));
  const total = Math.max(max_trials ?? 0, n_trials);
  const states = STATES.filter((state) => counts[state] > 0);
  element("bar").replaceChildren(
    ...states.map((state) => {
      const part = createElement("span", { className: `tuner-state-${state.toLowerCase()}` });
      part.style.width = `${(100 * counts[state]) / total}%`;
      return part;
    }),
  );
  element("counts").replaceChildren(
    ...states.flatMap((state) => {
      const text = `${formatCount(counts[state])} ${state.toLowerCase()}`;
      const { trials } = section.dataset;
      return [stateBadge(state, text, trials && `${trials}&state__exact=${state}`), " "];
    }),
  );
}

// The bars of those budgets that the progress tells about.
function showBudgets({ max_trials, n_left, trial_counts: counts }) {
  const used = { max_trials: max_trials - n_left, max_concurrent: counts.RUNNING };
  for (const [name, n] of Object.entries(used)) {
    const bar = element(`budget-${name}`);
    if (bar === null) continue;
    bar.value = n;
    element(`text-${name}`).textContent = `${formatCount(n)} of ${formatCount(bar.max)}`;
  }
}

function showRate({ rate_per_hour: rate, n_done, eta }) {
  element("rate").textContent = rate === null ? EMPTY : `${formatCount(Number(rate.toPrecision(3)))} trials per hour`;
  const end = eta === null ? "" : `; expected end ${formatTime(eta)} UTC`;
  element("eta").textContent = `${formatCount(n_done)} done${end}`;
}

function showRunning({ running, trial_counts: counts, datetime: now }) {
  const rows = running.map((trial) => [
    trialLink(trial.trial_id),
    trial.worker_id ?? EMPTY,
    formatElapsed(trial.datetime_start, now),
    formatTime(trial.lease_expires_at),
  ]);
  element("running").replaceChildren(
    tableOr("No running trials.", ["Trial", "Worker", "Elapsed", "Lease expires (UTC)"], rows),
  );
  if (counts.RUNNING > running.length)
    element("running").append(note(`The first ${running.length} of ${formatCount(counts.RUNNING)}.`));
}

function showFailures({ failures }) {
  const rows = failures.map((failure) => [
    failure.reason ?? "no reason given",
    failure.n_trials,
    trialLink(failure.last_trial_id),
  ]);
  element("failures").replaceChildren(tableOr("No failed trials.", ["Reason", "Trials", "Last trial"], rows));
}

// Best trial and advice -----------------------------------------------------------------------

let shownBest; // the number of the best trial that is shown

async function showBest(progress) {
  if (progress.best_trial_id === null || progress.best_trial_id === shownBest) return;
  const best = await fetchJson("/best");
  shownBest = best.trial_id;
  element("best").replaceChildren(
    trialLink(best.trial_id, formatValues(best.value), `trial ${best.trial_id}`),
    createElement("small", { textContent: objectiveCount > 1 ? " first of the Pareto front" : "" }),
  );
  const params = Object.entries(best.params).map(([name, value]) => [name, formatParam(value)]);
  element("params").replaceChildren(tableOr("", ["Parameter", "Value"], params));
}

async function showAdvice() {
  const advice = await fetchJson("/advice");
  element("advice").replaceChildren(...advice.map(({ detail }) => createElement("li", { textContent: detail })));
  element("advice").hidden = advice.length === 0;
}

// Polling -------------------------------------------------------------------------------------

let latest = null; // the progress that is shown
let advisedRevision = null; // the study's revision that the shown advice is about
let earliestAdvice = 0;
let readAt = 0; // when `latest` was read
let readAnywayAt = 0;

const plots = PLOT_KINDS.map((kind) => new Plot(kind));
element("plots").append(...plots.map((plot) => plot.card));
const plotOfCard = new Map(plots.map((plot) => [plot.card, plot]));
const viewObserver = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const plot = plotOfCard.get(entry.target);
      plot.isInView = entry.isIntersecting;
      if (latest !== null) plot.update(latest.revision);
    }
  },
  { rootMargin: "200px" },
);
const updatePlots = (isForced) => plots.forEach((plot) => plot.update(latest.revision, isForced));
const redrawPlots = () => plots.forEach((plot) => plot.draw());

async function readProgress() {
  const progress = await fetchJson("/progress");
  const isFirst = latest === null;
  latest = progress;
  readAt = performance.now();
  showProgress(progress);
  if (isFirst) plots.forEach((plot) => viewObserver.observe(plot.card));
  await showBest(progress);
}

// The progress is read where the study has changed, and every half minute. Otherwise time passes.
async function refresh() {
  if (await hasNews()) readAnywayAt = 0;
  if (performance.now() >= readAnywayAt) {
    await readProgress();
    readAnywayAt = performance.now() + READ_ANYWAY_MS;
  } else {
    const now = new Date(Date.parse(latest.datetime) + performance.now() - readAt);
    showRunning({ ...latest, datetime: now.toISOString() });
  }
  updatePlots(false);
  if (latest.revision !== advisedRevision && performance.now() > earliestAdvice) {
    earliestAdvice = performance.now() + MIN_REDRAW_MS;
    const { revision } = latest;
    await showAdvice();
    advisedRevision = revision;
  }
}

function showMessage(text, isLive = false) {
  element("live").classList.toggle("tuner-is-live", isLive);
  element("message").textContent = text;
}

async function poll() {
  for (let pause = POLL_MS; ; ) {
    try {
      if (!document.hidden) await refresh();
      pause = POLL_MS;
      showMessage("", latest?.state === "ACTIVE");
    } catch (error) {
      if (error.status === 404) return showMessage("This study was deleted.");
      if (error.status === 401 && credentials.Authorization)
        return showMessage("This link has expired or was revoked: the page is not updated any more.");
      pause = Math.min(2 * pause, MAX_POLL_MS);
      showMessage(`The update failed and is retried: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

element("objective").hidden = objectiveCount === 1;
element("plot-options").addEventListener("change", () => {
  if (latest) updatePlots(true);
  redrawPlots();
});
onThemeChange(redrawPlots);
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
poll();
