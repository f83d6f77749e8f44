// The trials that points of a plot stand for, and the plot in words.
import { section } from "./page.js";
import { valuesOf } from "./plot_options.js";

const BY_NUMBER = ["history", "hypervolume"]; // the trials are on the x axis
const BY_COLOUR = ["slice", "pareto_front"]; // the colour is the trial's number
const NUMBER_IN_TEXT = /"number": (\d+)|Trial ?#?(\d+)/;

// The number of the trial of a point that was clicked, or null.
function trialOf(kind, point) {
  if (BY_NUMBER.includes(kind)) return point.x;
  const text = kind === "intermediate_values" ? point.data.name : (point.text ?? point.hovertext ?? "");
  const found = NUMBER_IN_TEXT.exec(text);
  if (found !== null) return Number(found[1] ?? found[2]);
  const colours = valuesOf(point.data.marker?.color);
  return BY_COLOUR.includes(kind) && colours.length > 1 ? (colours[point.pointNumber] ?? null) : null;
}

// Let a click on a point open its trial, where the page links to trials.
export function openTrialOnClick(kind, area) {
  const prefix = section.dataset.trial;
  if (!prefix) return;
  area.on("plotly_click", ({ points }) => {
    const number = points.map((point) => trialOf(kind, point)).find((each) => Number.isInteger(each));
    if (number !== undefined) location.assign(`${prefix}${number}/`);
  });
}

const formatNumber = (value) => Number(value.toPrecision(4)).toString();

// What a plot shows, for those who do not see it.
export function describe(kind, title, data) {
  if (kind === "importance" && data.length > 0) {
    const names = valuesOf(data[0].y);
    const shares = [...valuesOf(data[0].x)].map((share, index) => `${names[index]} ${formatNumber(share)}`);
    return `${title}: ${shares.reverse().join(", ")}`;
  }
  const count = kind === "intermediate_values" ? `${data.length} trials` : `${data.length} series`;
  const values = data.flatMap((trace) => [...valuesOf(trace.y)]).filter((value) => Number.isFinite(value));
  if (kind === "timeline" || values.length === 0) return `${title}: ${count}`;
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  return `${title}: ${count}, ${values.length} points from ${formatNumber(low)} to ${formatNumber(high)}`;
}
