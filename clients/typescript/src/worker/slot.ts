/** A slot of a run: it evaluates one trial after the other. */

import { Busy, FixedValuesExhausted, Invalid, LeaseLost, StudyEnded, StudyPaused } from "../errors.js";
import type { Answer } from "../http/answers.js";
import { onAbort, sleep } from "../http/timing.js";
import type { Transport } from "../http/transport.js";
import { studyPath } from "../http/urls.js";
import type { Offer } from "../openapi.gen.js";
import { evaluate, GIVEN_BACK, type Objective, type Outcome, thrown } from "./outcome.js";
import type { RunOptions, RunResult } from "./study.js";
import { ActiveTrial } from "./trial.js";

/** A slot of a run, and what it shares with the others. */
export interface Slot {
  workerId: string;
  transport: Transport;
  studyName: string;
  objective: Objective;
  options: RunOptions;
  /** Aborted by the caller, or after an error of another slot. */
  stop: AbortSignal;
  /** Of the whole slot. */
  result: RunResult;
  /** Whether the study has answered an ask: what says later that it is not there may pass. */
  wasFound: boolean;
}

const POLL_INTERVAL = 10_000;
const GIVING_BACK = { timeout: 10_000, deadline: 10_000 };
const COUNTED = { complete: "complete", prune: "pruned", fail: "failed", none: "lost" } as const;

/** Evaluate trials until the study ends or the run is stopped. */
export async function work(slot: Slot): Promise<void> {
  for (let offer; (offer = await ask(slot));) await workOn(slot, offer);
}

/** Ask for a trial until there is one; undefined if the run is over. */
async function ask(slot: Slot): Promise<Answer<Offer> | undefined> {
  const { options, result, stop } = slot;
  while (!stop.aborted) {
    try {
      const offer = await requestTrial(slot);
      slot.wasFound = true;
      return offer;
    } catch (error) {
      if (stop.aborted) return undefined;
      if (isOver(error, options)) {
        result.ended = error.detail;
        return undefined;
      }
      if (!(error instanceof StudyPaused || error instanceof Busy)) throw error;
      await sleep(error.retryAfter ?? options.pollInterval ?? POLL_INTERVAL, stop);
    }
  }
  return undefined;
}

/** Ask once, and again after what may pass; an attempt under way ends before the run does. */
function requestTrial(slot: Slot): Promise<Answer<Offer>> {
  const { fixed } = slot.options;
  return slot.transport.send({
    method: "POST",
    path: studyPath(slot.studyName, "trials", "suggest"),
    body: { worker_id: slot.workerId, ...(fixed && { fixed }) },
    repeatable: true,
    patient: slot.wasFound,
    until: slot.stop,
  });
}

function isOver(
  error: unknown,
  options: RunOptions,
): error is StudyEnded | StudyPaused | FixedValuesExhausted {
  return (
    error instanceof StudyEnded ||
    error instanceof FixedValuesExhausted ||
    (error instanceof StudyPaused && options.whilePaused === "end")
  );
}

/** Evaluate a trial and tell how it ended; throw an error of the objective that ends the slot. */
async function workOn(slot: Slot, offer: Answer<Offer>): Promise<void> {
  const trial = new ActiveTrial(slot.transport, offer);
  try {
    const told = await tell(slot, trial, await evaluateUntilStopped(slot, trial));
    if ("error" in told && !isCaught(told.error, slot.options)) throw told.error;
  } finally {
    trial.close();
  }
}

/** Evaluate a trial; if the run is stopped before its end, it is given back. */
async function evaluateUntilStopped(
  { objective, stop }: Slot,
  trial: ActiveTrial,
): Promise<Outcome> {
  if (stop.aborted) return GIVEN_BACK;
  let unlisten = () => {};
  const stopped = new Promise<Outcome>((resolve) => {
    unlisten = onAbort(stop, (reason) => {
      resolve(GIVEN_BACK); // before the objective, which the next line may end
      trial.abort(reason);
    });
  });
  const outcome = await Promise.race([stopped, evaluate(objective, trial)]);
  unlisten();
  return outcome;
}

/** Tell an outcome, and return the one that holds: a result that is refused is a failure. */
async function tell(slot: Slot, trial: ActiveTrial, outcome: Outcome): Promise<Outcome> {
  const { result, transport } = slot;
  const isReturned = outcome === GIVEN_BACK;
  try {
    if (outcome.action !== "none") {
      await trial.tell(outcome.action, outcome.body, isReturned ? GIVING_BACK : {});
    }
    result[isReturned ? "returned" : COUNTED[outcome.action]] += 1;
  } catch (error) {
    const isRefused = outcome.action === "complete" && error instanceof Invalid;
    if (isRefused) return tell(slot, trial, thrown(error));
    if (!isReturned && !(error instanceof LeaseLost)) throw error;
    transport.settings.warn(`trial ${trial.offer.trial_id} is lost: ${String(error)}`);
    result.lost += 1;
  }
  return outcome;
}

function isCaught(error: unknown, options: RunOptions): boolean {
  return options.catch === true || options.catch?.(error) === true;
}
