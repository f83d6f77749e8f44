/** Client of the tuner service: hyperparameter optimisation by ask and tell. */

export { TunerClient, type TunerClientOptions } from "./client.js";
export {
  ApiError,
  Busy,
  ConnectionFailed,
  FixedValuesExhausted,
  Forbidden,
  Infeasible,
  Invalid,
  LeaseLost,
  NotFound,
  NotHolder,
  Pruned,
  StudyEnded,
  StudyPaused,
  StudyReplaced,
  StudyStopped,
  TunerError,
} from "./errors.js";
export type { Backoff } from "./http/retries.js";
export type { RequestOptions } from "./http/transport.js";
export type * from "./openapi.gen.js";
export type { Filters } from "./operations/operations.js";
export type { Plot } from "./operations/results.js";
export type { Evaluation, Objective } from "./worker/outcome.js";
export type { RunOptions, RunResult, StudyWorker } from "./worker/study.js";
export type { ActiveTrial, ReportOptions } from "./worker/trial.js";
export * from "./earlier_names.js";
