/**
 * Who a worker is.
 *
 * The service returns to a `worker_id` the trial that it holds. So each slot of a worker needs one
 * of its own, and finds its trial again after a restart if the worker's name is a lasting one.
 */

import { variable } from "./environment.js";

/** Return a name that was not used before; `crypto.randomUUID` is missing on pages without HTTPS. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

const NAME_OF_PROCESS = `js-${randomId()}`;

/** Return the name of this worker: as given, of `TUNER_WORKER`, or random for the process. */
export function workerName(given: string | undefined): string {
  return given ?? variable("TUNER_WORKER") ?? NAME_OF_PROCESS;
}

const taken = new Set<string>();

/** A `worker_id` that nothing else in this process uses for the same study. */
export interface SlotName {
  readonly workerId: string;
  release(): void;
}

/** Take the first free slot of a worker: its name, then the name with `.1`, `.2` and so on. */
export function takeSlot(scope: string, name: string): SlotName {
  for (let number = 0; ; number++) {
    const workerId = number === 0 ? name : `${name}.${number}`;
    const key = `${scope}\n${workerId}`;
    if (taken.has(key)) continue;
    taken.add(key);
    return { workerId, release: () => void taken.delete(key) };
  }
}
