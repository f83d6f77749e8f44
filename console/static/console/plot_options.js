// The options of the plots: which trials are hidden and which axes are logarithmic. They are kept in
// the URL after #, so that a link shows the same.
import { element, objectiveCount } from "./page.js";

const options = element("plot-options");
const fields = options === null ? [] : [...options.querySelectorAll("select, input")];
const HIDDEN = ["PRUNED", "FAIL"];
// The axes that show values of an objective, or reported ones.
const VALUE_AXES = {
  history: /^yaxis/,
  intermediate_values: /^yaxis/,
  slice: /^yaxis/,
  edf: /^xaxis/,
  pareto_front: /^[xyz]axis/,
  hypervolume: /^yaxis/,
};
const ARRAYS = {
  f8: Float64Array,
  f4: Float32Array,
  i4: Int32Array,
  i2: Int16Array,
  i1: Int8Array,
  u4: Uint32Array,
  u2: Uint16Array,
  u1: Uint8Array,
};

// The field of an option, on a page that has options.
export const chosen = (name) => options?.querySelector(`[name=${name}]`);

// The values of an array in a figure's JSON, which may be encoded.
export function valuesOf(array) {
  if (array === undefined || array === null) return [];
  if (array.bdata === undefined) return Array.isArray(array) || ArrayBuffer.isView(array) ? array : [array];
  const bytes = Uint8Array.from(atob(array.bdata), (each) => each.charCodeAt(0));
  return new ARRAYS[array.dtype](bytes.buffer);
}

function readHash() {
  const found = new URLSearchParams(location.hash.slice(1));
  for (const field of fields) {
    const value = found.get(field.name);
    if (field.type === "checkbox") field.checked = value === "1";
    else field.selectedIndex = Math.max(0, [...field.options].findIndex((option) => option.value === value));
  }
}

function writeHash() {
  const state = new URLSearchParams();
  for (const field of fields) {
    const isDefault = field.type === "checkbox" ? !field.checked : field.selectedIndex === 0;
    if (!isDefault) state.set(field.name, field.type === "checkbox" ? "1" : field.value);
  }
  const hash = state.toString();
  history.replaceState(null, "", hash === "" ? location.pathname + location.search : `#${hash}`);
}

// The state of the trials of a trace, where a trace has trials of one state.
const stateOf = (trace, kind, layout) => (kind === "timeline" ? trace.name : layout.meta?.states?.[trace.name]);

// An objective's name with its direction, as the options list it.
function withDirections(kind, layout) {
  const target = chosen("target_idx");
  const titles = new Map([...target.options].map((option) => [option.dataset.name, option.text.trim()]));
  if (kind !== "pareto_front") {
    const { name } = target.options[objectiveCount > 1 ? target.selectedIndex : 0].dataset;
    for (const other of [...titles.keys()]) if (other !== name) titles.delete(other);
  }
  const wanted = VALUE_AXES[kind];
  const titled = (axes) =>
    Object.fromEntries(
      Object.entries(axes).map(([key, axis]) => {
        const title = wanted.test(key) ? titles.get(axis.title?.text) : undefined;
        return [key, title === undefined ? axis : { ...axis, title: { ...axis.title, text: title } }];
      }),
    );
  const changed = titled(layout);
  return layout.scene ? { ...changed, scene: titled(layout.scene) } : changed;
}

// The axes of a plot, with those of values logarithmic.
function withLogAxes(kind, layout) {
  const logged = (axes) =>
    Object.fromEntries(
      Object.entries(axes).map(([key, axis]) => [key, VALUE_AXES[kind].test(key) ? { ...axis, type: "log" } : axis]),
    );
  return { ...logged(layout), ...(layout.scene && { scene: logged(layout.scene) }) };
}

function isPositive(kind, data) {
  const letters = kind === "edf" ? ["x"] : kind === "pareto_front" ? ["x", "y", "z"] : ["y"];
  const values = data.flatMap((trace) => letters.flatMap((letter) => [...valuesOf(trace[letter])]));
  return values.every((value) => typeof value !== "number" || Number.isNaN(value) || value > 0);
}

// The data and the layout of a figure as the options want them, and a note about them.
export function applyOptions(kind, { data, layout }) {
  let shown = data;
  const notes = [];
  if (chosen("hide")?.checked) {
    shown = data.filter((trace) => !HIDDEN.includes(stateOf(trace, kind, layout)));
    if (shown.length < data.length) notes.push("pruned and failed trials are hidden");
  }
  if (options === null || !(kind in VALUE_AXES)) return { data: shown, layout, notes };
  let changed = withDirections(kind, layout);
  if (chosen("log")?.checked) {
    if (isPositive(kind, shown)) changed = withLogAxes(kind, changed);
    else notes.push("the axis is linear, since not all values are positive");
  }
  return { data: shown, layout: changed, notes };
}

readHash();
options?.addEventListener("change", writeHash);
addEventListener("hashchange", () => {
  readHash();
  options?.dispatchEvent(new Event("change"));
});
