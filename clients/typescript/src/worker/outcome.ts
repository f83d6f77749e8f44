/** How an evaluation ended, as it is told to the service. */

import { Infeasible, LeaseLost, Pruned, StudyStopped } from "../errors.js";
import type { CompleteRequest, FailRequest, PruneRequest } from "../openapi.gen.js";
import type { ActiveTrial } from "./trial.js";

type Values = CompleteRequest["values"];

/** What an objective may return: values, with or without more that `completeTrial` takes. */
export type Evaluation = Values | Omit<CompleteRequest, "study_id" | "worker_id">;
export type Objective = (trial: ActiveTrial) => Evaluation | Promise<Evaluation>;

export type Outcome =
  | { action: "complete"; body: CompleteRequest }
  | { action: "prune"; body: PruneRequest }
  | { action: "fail"; body: FailRequest; error?: unknown }
  | { action: "none" };

const MAX_REASON = 10_000;
// What the service does not store: NUL, and halves of characters.
const UNSTORABLE = /[\0\ud800-\udfff]/gu;

export const GIVEN_BACK: Outcome = {
  action: "fail",
  body: { reason: "the worker was stopped", retry: true },
};
const LOST: Outcome = { action: "none" };

/** Evaluate a trial; an error becomes an outcome, too. */
export async function evaluate(objective: Objective, trial: ActiveTrial): Promise<Outcome> {
  try {
    return completed(await objective(trial));
  } catch (error) {
    return thrown(error);
  }
}

/** Return the outcome of an error: of a signal such as `Pruned`, or a failure to be retried. */
export function thrown(error: unknown): Outcome {
  if (error instanceof LeaseLost) return LOST;
  if (error instanceof Pruned || error instanceof StudyStopped) {
    return { action: "prune", body: error.message ? { reason: asReason(error.message) } : {} };
  }
  if (error instanceof Infeasible) {
    return { action: "fail", body: { reason: asReason(error.message), infeasible: true } };
  }
  return { action: "fail", body: { reason: asReason(error), retry: true }, error };
}

function completed(evaluation: Evaluation): Outcome {
  const body = isValues(evaluation) ? { values: evaluation } : evaluation;
  const values: unknown[] = [body?.values].flat();
  if (!values.every((value) => typeof value === "number")) {
    throw new TypeError(
      `the objective returned ${JSON.stringify(evaluation)}: expected a number for each objective`,
    );
  }
  if (!values.every(Number.isFinite)) {
    return { action: "fail", body: { reason: `the objective returned ${values.join(", ")}` } };
  }
  return { action: "complete", body };
}

function isValues(evaluation: Evaluation): evaluation is Values {
  return typeof evaluation === "number" || Array.isArray(evaluation);
}

function asReason(error: unknown): string {
  return String(error).slice(0, MAX_REASON).replace(UNSTORABLE, "\ufffd") || "failed";
}
