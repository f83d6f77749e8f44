/**
 * When a request is sent again, and after how long.
 *
 * Exponential backoff with full jitter: the n-th pause is uniform between 0 and
 * `min(cap, base · 2^n)`, so that workers that failed together do not come back together. Where the
 * answer has `Retry-After`, the pause is that and up to half of it more.
 */

import { ApiError, ConnectionFailed } from "../errors.js";

export interface Backoff {
  /** Milliseconds that the first pause takes at most; each further one up to twice as long. */
  base: number;
  /** Milliseconds that a pause takes at most. */
  cap: number;
}

/** Whether a request may be sent again. */
export interface Repetition {
  /** Whether a second request does no harm if the first one was carried out. */
  repeatable: boolean;
  /** Whether to repeat it, too, after answers that may mean that the service is away. */
  patient?: boolean | undefined;
}

// Refused before anything was carried out: also a request that must not run twice may be repeated.
const NOT_CARRIED_OUT = new Set([408, 429]);
const NOT_CARRIED_OUT_CODES = new Set(["overloaded", "too_many_imports"]);
const UNKNOWN_OUTCOME = new Set([502, 503, 504]);
// A part of the installation is missing: waiting does not bring it.
const PERMANENT_CODES = new Set(["sampler_unavailable"]);

/** The attempts of one request, until its deadline. */
export class Attempts {
  readonly #deadline: number;
  readonly #backoff: Backoff;
  readonly #repetition: Repetition;
  #failed = 0;

  constructor(milliseconds: number, backoff: Backoff, repetition: Repetition) {
    this.#deadline = Date.now() + milliseconds;
    this.#backoff = backoff;
    this.#repetition = repetition;
  }

  /** Return the milliseconds to wait after a failed attempt; throw its error if it was the last. */
  pauseAfter(error: unknown): number {
    const pause = this.#pause(error instanceof ApiError ? error.retryAfter : undefined);
    if (!this.#mayRepeat(error) || Date.now() + pause >= this.#deadline) throw error;
    return pause;
  }

  #mayRepeat(error: unknown): boolean {
    const { repeatable, patient } = this.#repetition;
    if (error instanceof ConnectionFailed) return repeatable || !error.sent;
    if (!(error instanceof ApiError) || PERMANENT_CODES.has(error.code)) return false;
    if (NOT_CARRIED_OUT.has(error.status) || NOT_CARRIED_OUT_CODES.has(error.code)) return true;
    if (!repeatable) return false;
    return UNKNOWN_OUTCOME.has(error.status) || (patient === true && isMaybeAway(error));
  }

  #pause(retryAfter: number | undefined): number {
    if (retryAfter !== undefined) return retryAfter * (1 + Math.random() / 2);
    const { base, cap } = this.#backoff;
    return Math.random() * Math.min(cap, base * 2 ** this.#failed++);
  }
}

/** Tell a failure of the service, and the 404 of a proxy that does not find it. */
function isMaybeAway(error: ApiError): boolean {
  return error.status === 500 || error.code === "http_404";
}
