/** The errors of the client. Those of the service are told apart by the `code` of its answer. */

import type { Problem, ProblemDetail } from "./openapi.gen.js";

/** Base class of the client's errors. */
export class TunerError extends Error {
  constructor(message?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The service could not be reached, or its answer was lost, until the deadline. */
export class ConnectionFailed extends TunerError {
  /** Whether the service may have received the request, and carried it out. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause: unknown) {
    super(message, { cause });
    this.sent = sent;
  }
}

/** What an answer with an error says beyond its problem document. */
export interface ErrorHeaders {
  requestId?: string | undefined;
  retryAfter?: number | undefined;
}

/** The service refused a request. */
export class ApiError extends TunerError {
  /** The HTTP status. */
  readonly status: number;
  /** The stable code of the problem, such as `study_not_found`. */
  readonly code: string;
  /** A sentence that says what was wrong. */
  readonly detail: string;
  /** What is wrong with the body, value by value, each with a JSON pointer. */
  readonly errors: ProblemDetail[];
  /** The id by which the service's log names the request. */
  readonly requestId: string | undefined;
  /** Milliseconds after which to try again. */
  readonly retryAfter: number | undefined;
  /** The whole problem document, for the members that some codes have. */
  readonly problem: Partial<Problem>;

  constructor(status: number, problem: Partial<Problem>, headers: ErrorHeaders = {}) {
    const code = problem.code ?? `http_${status}`;
    const detail = problem.detail ?? problem.reason ?? `the answer has the status ${status}`;
    super(`${status} ${code}: ${detail}`);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.errors = problem.errors ?? [];
    this.requestId = problem.request_id ?? headers.requestId;
    this.retryAfter = headers.retryAfter;
    this.problem = problem;
  }
}

/** The request is wrong in itself; `errors` says where. */
export class Invalid extends ApiError {}

/** There is no such study, trial or result, or the token may not see it. */
export class NotFound extends ApiError {}

/** There is no valid token, or it has not the scope that the request needs. */
export class Forbidden extends ApiError {}

/** The study is completed or cancelled: it hands out no more trials. */
export class StudyEnded extends ApiError {
  /** The budget that was used up, or the text of who ended the study. */
  get reason(): string {
    return this.problem.reason ?? "";
  }
}

/** The study is paused: it hands out trials again after `resumeStudy`. */
export class StudyPaused extends ApiError {}

/** The study avoids duplicates, and has no other point with the fixed values. */
export class FixedValuesExhausted extends ApiError {}

/** The trial was ended without this worker, and may run elsewhere by now. */
export class LeaseLost extends ApiError {}

/** The trial was given to another worker. */
export class NotHolder extends LeaseLost {}

/** The study was deleted and created again: the trial belongs to the old one. */
export class StudyReplaced extends LeaseLost {}

/** The service or the study cannot serve the request now: try again later. */
export class Busy extends ApiError {}

/** Thrown by `report()` when the pruner would stop the trial; throw it to prune a trial. */
export class Pruned extends TunerError {}

/** Thrown by `report()` when the study needs no results of running trials any more. */
export class StudyStopped extends TunerError {}

/** To be thrown by an objective whose parameters cannot be evaluated: samplers learn from it. */
export class Infeasible extends TunerError {}

type ApiErrorClass = typeof ApiError;

const BY_CODE: Record<string, ApiErrorClass> = {
  study_completed: StudyEnded,
  study_cancelled: StudyEnded,
  study_paused: StudyPaused,
  fixed_values_exhausted: FixedValuesExhausted,
  lease_lost: LeaseLost,
  not_holder: NotHolder,
  study_replaced: StudyReplaced,
  study_busy: Busy,
};
const BY_STATUS: Record<number, ApiErrorClass> = {
  400: Invalid,
  401: Forbidden,
  403: Forbidden,
  404: NotFound,
  429: Busy,
};

/** Return the error for an answer with a problem document (RFC 9457), or without one. */
export function apiError(
  status: number,
  problem: Partial<Problem>,
  headers?: ErrorHeaders,
): ApiError {
  const kind = BY_CODE[problem.code ?? ""] ?? BY_STATUS[status] ?? ApiError;
  return new kind(status, problem, headers);
}
