// A study's page: follows the study, and lets its plots follow once they come into view.
import { ask, element, make, objectives, page } from "./page.js";
import { KINDS, Plot, REDRAW_MS } from "./plots.js";

const FOLLOW_MS = 2000; // between two looks at a study that hands out trials
const SLOWEST_MS = 30000; // where the service does not answer
const STATES = ["COMPLETE", "PRUNED", "RUNNING", "WAITING", "FAIL"];

// What changes all the time -------------------------------------------------------------------

const number = (value) => (value === null ? "–" : Number(value.toPrecision(6)).toString());
const values = (value) => (Array.isArray(value) ? value.map(number).join(", ") : number(value));
const moment = (text) => (text === null ? "–" : text.slice(0, 19).replace("T", " "));

function since(text, now) {
  if (text === null) return "–";
  const seconds = Math.max(0, (Date.parse(now) - Date.parse(text)) / 1000);
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  if (seconds < 3600) return `${(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function badge(state, text, href) {
  const properties = { className: `tuner-state tuner-state-${state.toLowerCase()}`, textContent: text };
  return make(href ? "a" : "span", href ? { ...properties, href } : properties);
}

const trialUrl = (trialId) => `${page.dataset.trials}&q=${trialId}`;

function table(heads, rows, empty) {
  if (rows.length === 0) return make("p", { className: "tuner-note", textContent: empty });
  const cells = (tag, texts) =>
    make("tr", {}, ...texts.map((text) => make(tag, {}, text instanceof Node ? text : String(text))));
  return make(
    "table",
    { className: "tuner-table" },
    make("thead", {}, cells("th", heads)),
    make("tbody", {}, ...rows.map((row) => cells("td", row))),
  );
}

function show(progress) {
  const { trial_counts: counts, datetime: now } = progress;
  element("state").replaceChildren(
    badge(progress.state, progress.state.toLowerCase()),
    ` ${progress.state_reason ?? ""}`,
  );
  const total = Math.max(progress.max_trials ?? 0, progress.n_trials);
  const link = make("a", { href: page.dataset.trials }, progress.n_trials.toLocaleString());
  element("trials").replaceChildren(
    link,
    progress.max_trials === null ? "" : ` of ${progress.max_trials.toLocaleString()}`,
  );
  element("bar").replaceChildren(
    ...STATES.filter((state) => counts[state] > 0).map((state) => {
      const part = make("span", { className: `tuner-state-${state.toLowerCase()}` });
      part.style.width = `${(100 * counts[state]) / total}%`;
      return part;
    }),
  );
  element("counts").replaceChildren(
    ...STATES.filter((state) => counts[state] > 0).flatMap((state) => [
      badge(
        state,
        `${counts[state].toLocaleString()} ${state.toLowerCase()}`,
        `${page.dataset.trials}&state__exact=${state}`,
      ),
      " ",
    ]),
  );
  element("rate").textContent =
    progress.rate_per_hour === null ? "–" : `${Number(progress.rate_per_hour.toPrecision(3)).toLocaleString()} trials an hour`;
  element("eta").textContent =
    progress.eta === null
      ? `${progress.n_done.toLocaleString()} done`
      : `${progress.n_done.toLocaleString()} done; expected end ${moment(progress.eta)} UTC`;
  element("running").replaceChildren(
    table(
      ["Trial", "Worker", "For", "Lease runs out (UTC)"],
      progress.running.map((trial) => [
        make("a", { href: trialUrl(trial.trial_id) }, String(trial.trial_id)),
        trial.worker_id ?? "–",
        since(trial.datetime_start, now),
        moment(trial.lease_expires_at),
      ]),
      "No trial runs.",
    ),
  );
  if (counts.RUNNING > progress.running.length)
    element("running").append(
      make("p", {
        className: "tuner-note",
        textContent: `The first ${progress.running.length} of ${counts.RUNNING.toLocaleString()}.`,
      }),
    );
  element("failures").replaceChildren(
    table(
      ["Reason", "Of the latest", "Last trial"],
      progress.failures.map((failure) => [
        failure.reason ?? "no reason given",
        failure.n_trials,
        make("a", { href: trialUrl(failure.last_trial_id) }, String(failure.last_trial_id)),
      ]),
      "No trial has failed.",
    ),
  );
}

let bestShown;

async function showBest(progress) {
  if (progress.best_trial_id === null || progress.best_trial_id === bestShown) return;
  const best = await ask("/best");
  bestShown = best.trial_id;
  element("best").replaceChildren(
    make("a", { href: trialUrl(best.trial_id), title: `trial ${best.trial_id}` }, values(best.value)),
    make("small", { textContent: objectives > 1 ? " first of the front" : "" }),
  );
  const text = (value) => (typeof value === "number" ? number(value) : JSON.stringify(value));
  element("params").replaceChildren(
    table(["Parameter", "Value"], Object.entries(best.params).map(([name, value]) => [name, text(value)]), ""),
  );
}

async function showAdvice() {
  const advice = await ask("/advice");
  element("advice").replaceChildren(...advice.map((each) => make("li", { textContent: each.detail })));
  element("advice").hidden = advice.length === 0;
}

// Following the study --------------------------------------------------------------------------

let latest = null; // the progress that is shown
let advised = null; // the revision of the study that the advice is about
let adviseNotBefore = 0;

const plots = KINDS.map((kind) => new Plot(kind));
element("plots").append(...plots.map((plot) => plot.card));
const byCard = new Map(plots.map((plot) => [plot.card, plot]));
const inView = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const plot = byCard.get(entry.target);
      plot.isInView = entry.isIntersecting;
      if (latest !== null) plot.draw(latest.revision);
    }
  },
  { rootMargin: "200px" },
);
const drawAll = (isUrgent) => plots.forEach((plot) => plot.draw(latest.revision, isUrgent));

// Each part is tried by itself, so that one that fails leaves the others alone.
async function follow() {
  const progress = await ask("/progress");
  const isFirst = latest === null;
  latest = progress;
  show(progress);
  if (isFirst) plots.forEach((plot) => inView.observe(plot.card));
  drawAll(false);
  await showBest(progress);
  if (progress.revision !== advised && performance.now() > adviseNotBefore) {
    adviseNotBefore = performance.now() + REDRAW_MS;
    await showAdvice();
    advised = progress.revision;
  }
}

function say(text, isFollowing = false) {
  element("live").classList.toggle("tuner-following", isFollowing);
  element("said").textContent = text;
}

async function followForEver() {
  for (let pause = FOLLOW_MS; ; ) {
    try {
      if (!document.hidden) await follow();
      pause = FOLLOW_MS;
      say("", latest?.state === "ACTIVE");
    } catch (error) {
      if (error.status === 404) return say("This study is gone: it was deleted.");
      pause = Math.min(2 * pause, SLOWEST_MS);
      say(`Not followed just now: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

element("objective").hidden = objectives === 1;
element("tools").addEventListener("change", () => latest && drawAll(true));
new MutationObserver(() => plots.forEach((plot) => plot.paint())).observe(document.documentElement, {
  attributeFilter: ["data-theme"],
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  plots.forEach((plot) => plot.paint()),
);
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
followForEver();
