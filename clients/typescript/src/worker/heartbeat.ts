/** Heartbeats in the background, at a third of the lease. */

import type { Answer } from "../http/answers.js";

interface Lease {
  lease_expires_at: string | null;
}

const SHORTEST = 100;
// A trial without a lease may be given one later, and the study may be stopped.
const WITHOUT_LEASE = 60_000;
const LONGEST = 3_600_000;

/** Sends a heartbeat, and returns its answer, or undefined if there was none. */
type Beat = (timeout: number) => Promise<Answer<Lease> | undefined>;

export class Heartbeat {
  readonly #beat: Beat;
  #interval = WITHOUT_LEASE;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(beat: Beat, lease: Lease, headers: Headers) {
    this.#beat = beat;
    this.renewed(lease, headers);
  }

  /** Send the next heartbeat a third of the lease after the answer that renewed it. */
  renewed(lease: Lease, headers: Headers): void {
    this.#interval = interval(lease, headers);
    this.#schedule(this.#interval);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#send(), milliseconds);
  }

  async #send(): Promise<void> {
    const answer = await this.#beat(this.#interval);
    if (answer) this.renewed(answer.body, answer.headers);
    else this.#schedule(Math.max(SHORTEST, this.#interval / 3));
  }
}

/** Return a third of the time that is left, by the clock of the service if its answer has the time. */
function interval({ lease_expires_at }: Lease, headers: Headers): number {
  if (lease_expires_at === null) return WITHOUT_LEASE;
  const now = Date.parse(headers.get("Date") ?? "") || Date.now();
  return Math.min(LONGEST, Math.max(SHORTEST, (Date.parse(lease_expires_at) - now) / 3));
}
