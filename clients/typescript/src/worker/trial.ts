/** A trial that this worker evaluates. */

import type { Answer } from "../http/answers.js";
import type { RequestOptions, Transport } from "../http/transport.js";
import { studyPath } from "../http/urls.js";
import { ApiError, LeaseLost, NotFound, Pruned, StudyStopped } from "../errors.js";
import type { Offer, Params, Signs, Trial, TrialLog, Verdict, WrittenLog } from "../openapi.gen.js";
import { Heartbeat } from "./heartbeat.js";

export interface ReportOptions {
  /** Whether to throw `Pruned` and `StudyStopped`. Default: true; false: look at the reply. */
  throws?: boolean;
  /** Added to the trial's user attributes, such as the path of a checkpoint. */
  userAttrs?: Record<string, unknown>;
}

export class ActiveTrial {
  /** The service's answer to the ask: `trial_id`, `attempt`, `user_attrs` and the rest. */
  readonly offer: Offer;
  readonly params: Params;
  /** The step after the last one reported; above 0 where a restarted worker goes on. */
  nextStep: number;
  readonly #transport: Transport;
  readonly #abort = new AbortController();
  readonly #heartbeat: Heartbeat;
  #logSize: number | undefined; // in bytes, as the service counts

  constructor(transport: Transport, { body, headers }: Answer<Offer>) {
    this.offer = body;
    this.params = body.params;
    this.nextStep = Math.max(-1, ...Object.keys(body.intermediate_values).map(Number)) + 1;
    this.#transport = transport;
    this.#heartbeat = new Heartbeat((timeout) => this.#beat(timeout), body, headers);
  }

  /**
   * Aborted when the evaluation is not needed any more: the run was aborted, the study stopped
   * (`StudyStopped`), or the trial lost (`LeaseLost`). Pass it to what can be interrupted.
   */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /**
   * Report an intermediate value; one that is not finite is stored as NaN.
   *
   * Throws `Pruned` if the pruner would stop the trial, `StudyStopped` if the study needs no more
   * results, and `LeaseLost` if the trial was ended without this worker: let them through.
   */
  async report(value: number, step = this.nextStep, options: ReportOptions = {}): Promise<Verdict> {
    const { throws = true, userAttrs } = options;
    if (throws) this.signal.throwIfAborted();
    const sent = { step, value: Number.isFinite(value) ? value : null, user_attrs: userAttrs };
    const { body: reply, headers } = await this.#send<Verdict>("POST", sent, "report");
    this.nextStep = Math.max(this.nextStep, step + 1);
    this.#heartbeat.renewed(reply, headers);
    if (throws && reply.should_stop) throw new StudyStopped(reply.reason ?? undefined);
    if (throws && reply.should_prune) throw new Pruned(reply.reason ?? undefined);
    return reply;
  }

  /** Add user attributes to the trial. */
  async setUserAttrs(userAttrs: Record<string, unknown>): Promise<void> {
    await this.#send<Trial>("PATCH", { user_attrs: userAttrs });
  }

  /** Replace the trial's note, which people read on its page; "" removes it. */
  async note(text: string): Promise<void> {
    await this.#send<Trial>("PATCH", { note: text });
  }

  /** Add a link, http or https, such as to a run in an experiment tracker; null removes it. */
  async link(name: string, url: string | null): Promise<void> {
    await this.#send<Trial>("PATCH", { links: { [name]: url } });
  }

  /**
   * Append to the trial's log, of which the service keeps the last 64 KiB.
   *
   * A worker that goes on with its trial after a restart goes on with its log. Texts are appended
   * in the order of the calls: await each.
   */
  async log(text: string): Promise<void> {
    const { study_name, study_id, trial_id, worker_id } = this.offer;
    const path = studyPath(study_name, "trials", trial_id, "log");
    if (this.#logSize === undefined && this.offer.reoffered) {
      const { body } = await this.#transport.send<TrialLog>({
        method: "GET",
        path,
        repeatable: true,
      });
      this.#logSize = body.size;
    }
    const { body } = await this.#transport.send<WrittenLog>({
      method: "PUT",
      path,
      query: { offset: this.#logSize ?? 0, study_id, worker_id: worker_id ?? undefined },
      body: text,
      contentType: "text/plain",
      repeatable: true,
    });
    this.#logSize = body.size;
  }

  /** @internal Tell how the evaluation ended. */
  async tell(
    action: "complete" | "prune" | "fail",
    body: object,
    options?: RequestOptions,
  ): Promise<void> {
    await this.#send<Trial>("POST", body, action, options);
  }

  /** @internal Let the objective know that its result is not needed. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** @internal Send no more heartbeats. */
  close(): void {
    this.#heartbeat.stop();
  }

  /** Send a heartbeat, once; it never ends the evaluation, but says so by the signal. */
  async #beat(timeout: number): Promise<Answer<Signs> | undefined> {
    try {
      const answer = await this.#send<Signs>("POST", {}, "heartbeat", { timeout, deadline: 0 });
      if (answer.body.should_stop) this.abort(new StudyStopped(answer.body.reason ?? undefined));
      return answer;
    } catch (error) {
      if (error instanceof LeaseLost) this.abort(error);
      return undefined;
    }
  }

  async #send<T>(
    method: "POST" | "PATCH",
    body: object,
    action?: string,
    options?: RequestOptions,
  ): Promise<Answer<T>> {
    const { study_name, study_id, trial_id, worker_id } = this.offer;
    const path = studyPath(study_name, "trials", trial_id, ...(action ? [action] : []));
    const fenced = { ...body, study_id, worker_id };
    try {
      return await this.#transport.send<T>({
        ...options,
        method,
        path,
        body: fenced,
        repeatable: true,
        patient: true,
      });
    } catch (error) {
      throw isGone(error) ? new LeaseLost(error.status, error.problem, error) : error;
    }
  }
}

/** Tell whether the trial has ended without this worker, or is gone with its study. */
function isGone(error: unknown): error is ApiError {
  if (error instanceof NotFound)
    return error.code === "study_not_found" || error.code === "trial_not_found";
  return error instanceof ApiError && error.code === "trial_finished";
}
