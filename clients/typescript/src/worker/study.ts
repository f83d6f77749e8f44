/** A study as workers see it: something to run an objective on. */

import { takeSlot, workerName } from "../identity.js";
import { onAbort } from "../http/timing.js";
import type { Transport } from "../http/transport.js";
import { checkStudyName } from "../http/urls.js";
import type { Params } from "../openapi.gen.js";
import type { Objective } from "./outcome.js";
import { work } from "./slot.js";

export interface RunOptions {
  /** How many trials are evaluated at a time. Default: 1. */
  concurrency?: number;
  /** Ends the run: no trial is asked for, and running ones are given back. */
  signal?: AbortSignal;
  /**
   * The worker's name: unique among those that run, and the same after a restart, so that the
   * worker goes on with the trials that it held. Default: `TUNER_WORKER`, else random.
   */
  workerId?: string;
  /** Which errors of the objective do not end the run: all of them, or those that it accepts. */
  catch?: true | ((error: unknown) => boolean);
  /** Whether a paused study is waited for. Default: `"wait"`. */
  whilePaused?: "wait" | "end";
  /** Milliseconds after which a paused study is asked again. Default: 10 seconds. */
  pollInterval?: number;
  /** Values of parameters that the trials have, such as the batch size that fits here. */
  fixed?: Params;
}

/** What a run has done. */
export interface RunResult {
  /** Why it ended: a sentence of the service, or `aborted`. */
  ended: string;
  complete: number;
  pruned: number;
  failed: number;
  /** Trials that were given back, to be evaluated by another run. */
  returned: number;
  /** Trials that were ended without this run, or whose end it could not tell. */
  lost: number;
}

export class StudyWorker {
  readonly name: string;
  readonly #transport: Transport;

  constructor(transport: Transport, name: string) {
    this.name = name;
    this.#transport = transport;
    checkStudyName(name);
  }

  /**
   * Evaluate trials until the study ends, and return what was done.
   *
   * The objective returns the value, a list of values, or `{values, …}` as `completeTrial` takes it.
   * If it throws, the trial fails and is retried as the study's `max_retries` allows, and the run
   * rejects with the error unless `catch` accepts it; `Pruned` prunes the trial instead.
   */
  async run(objective: Objective, options: RunOptions = {}): Promise<RunResult> {
    const { concurrency = 1, signal, workerId } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new RangeError(`concurrency is ${concurrency}: expected a positive integer`);
    }
    const result = { ended: "aborted", complete: 0, pruned: 0, failed: 0, returned: 0, lost: 0 };
    const shared = { transport: this.#transport, studyName: this.name, objective, options, result };
    const scope = `${this.#transport.settings.url} ${this.name}`;
    const names = Array.from({ length: concurrency }, () => takeSlot(scope, workerName(workerId)));
    const stops = names.map(() => new AbortController());
    const stopAll = (reason?: unknown) => stops.forEach((stop) => stop.abort(reason));
    const unlisten = onAbort(signal, stopAll);
    try {
      const working = names.map(({ workerId }, i) =>
        work({ ...shared, workerId, stop: stops[i]!.signal, wasFound: false }),
      );
      for (const each of working) each.catch(() => stopAll()); // the others give their trials back
      const failed = (await Promise.allSettled(working)).find((each) => each.status === "rejected");
      if (failed) throw failed.reason;
      return result;
    } finally {
      unlisten();
      for (const name of names) name.release();
    }
  }
}
