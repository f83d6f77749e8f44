/** Operations of trials: ask, report, tell, and the queue. */

import { randomId } from "../identity.js";
import type { RequestOptions } from "../http/transport.js";
import { studyPath } from "../http/urls.js";
import type * as api from "../openapi.gen.js";
import { StudyOperations } from "./studies.js";

type Values = api.CompleteRequest["values"];

export abstract class TrialOperations extends StudyOperations {
  /**
   * Ask for a trial. With a `worker_id` that holds a trial already, return that one again.
   *
   * Without one, a name is made up for this request, so that it can be repeated.
   */
  async suggestTrial(
    studyName: string,
    body: api.SuggestRequest = {},
    options?: RequestOptions,
  ): Promise<api.Offer> {
    return this.call("POST", studyPath(studyName, "trials", "suggest"), {
      ...options,
      ...ask(body),
    });
  }

  /** Ask for several trials at once; there may be fewer. */
  async suggestTrials(
    studyName: string,
    body: api.SuggestBatchRequest,
    options?: RequestOptions,
  ): Promise<api.Offers> {
    return this.call("POST", studyPath(studyName, "trials", "suggest-batch"), {
      ...options,
      ...ask(body),
    });
  }

  /** Report intermediate values; the reply says whether to prune or to stop. */
  async reportTrial(
    studyName: string,
    trialId: number,
    body: api.ReportRequest,
    options?: RequestOptions,
  ): Promise<api.Verdict> {
    return this.call("POST", studyPath(studyName, "trials", trialId, "report"), {
      ...options,
      body,
    });
  }

  /** Send a heartbeat, which renews the lease. */
  async renewLease(
    studyName: string,
    trialId: number,
    body?: api.HeartbeatRequest,
    options?: RequestOptions,
  ): Promise<api.Signs> {
    return this.call("POST", studyPath(studyName, "trials", trialId, "heartbeat"), {
      ...options,
      body,
    });
  }

  /** Change a trial's note and links, or add user attributes to a running trial. */
  async updateTrial(
    studyName: string,
    trialId: number,
    body: api.PatchedChangeTrialRequest,
    options?: RequestOptions,
  ): Promise<api.AnnotatedTrial> {
    return this.call("PATCH", studyPath(studyName, "trials", trialId), { ...options, body });
  }

  /**
   * Replace a trial's log by a text, or append to it, of which the last 64 KiB are kept.
   *
   * With `append` and without an `offset`, it is not sent again if its answer is lost.
   */
  async writeTrialLog(
    studyName: string,
    trialId: number,
    text: string,
    query: NonNullable<api.WriteTrialLogData["query"]> = {},
    options?: RequestOptions,
  ): Promise<api.WrittenLog> {
    return this.call("PUT", studyPath(studyName, "trials", trialId, "log"), {
      ...options,
      query,
      body: text,
      contentType: "text/plain",
      repeatable: !query.append || query.offset !== undefined,
    });
  }

  /** Complete a trial with `{values, …}`, or with the values alone. */
  async completeTrial(
    studyName: string,
    trialId: number,
    result: api.CompleteRequest | Values,
    options?: RequestOptions,
  ): Promise<api.Trial> {
    const body = typeof result === "number" || Array.isArray(result) ? { values: result } : result;
    return this.call("POST", studyPath(studyName, "trials", trialId, "complete"), {
      ...options,
      body,
    });
  }

  /** Prune a trial: it was stopped early. */
  async pruneTrial(
    studyName: string,
    trialId: number,
    body?: api.PruneRequest,
    options?: RequestOptions,
  ): Promise<api.Trial> {
    return this.call("POST", studyPath(studyName, "trials", trialId, "prune"), {
      ...options,
      body,
    });
  }

  /** Fail a trial; with `retry` its parameters are queued again. */
  async failTrial(
    studyName: string,
    trialId: number,
    body?: api.FailRequest,
    options?: RequestOptions,
  ): Promise<api.Trial> {
    return this.call("POST", studyPath(studyName, "trials", trialId, "fail"), { ...options, body });
  }

  /** Complete, prune or fail several trials, each accepted or refused on its own. */
  async completeTrials(
    studyName: string,
    body: api.CompleteBatchRequest,
    options?: RequestOptions,
  ): Promise<api.Results> {
    return this.call("POST", studyPath(studyName, "trials", "complete-batch"), {
      ...options,
      body,
    });
  }

  /** Queue trials, or record known results: one, or a list of which all are added or none. */
  addTrials(
    studyName: string,
    body: api.NewTrialRequest,
    options?: RequestOptions,
  ): Promise<api.Trial>;
  addTrials(
    studyName: string,
    body: api.NewTrialRequest[],
    options?: RequestOptions,
  ): Promise<api.Trial[]>;
  async addTrials(
    studyName: string,
    body: api.NewTrialsRequest,
    options?: RequestOptions,
  ): Promise<api.AddedTrials> {
    return this.callOnce("POST", studyPath(studyName, "trials"), { ...options, body });
  }

  /** Cancel a waiting trial. */
  async cancelTrial(
    studyName: string,
    trialId: number,
    options?: RequestOptions,
  ): Promise<api.Trial> {
    return this.call("DELETE", studyPath(studyName, "trials", trialId), options);
  }

  /** Queue the parameters of a failed trial again, whatever `max_retries` is. */
  async retryTrial(
    studyName: string,
    trialId: number,
    options?: RequestOptions,
  ): Promise<api.Trial> {
    return this.callOnce("POST", studyPath(studyName, "trials", trialId, "retry"), options);
  }

  /** Queue the parameters of failed trials again, whatever `max_retries` is. */
  async retryFailedTrials(
    studyName: string,
    body?: api.RetryFailedRequest,
    options?: RequestOptions,
  ): Promise<api.RetriedTrials> {
    return this.callOnce("POST", studyPath(studyName, "retry-failed"), { ...options, body });
  }

  /** Fail running trials whose workers have been silent for a time. */
  async failRunningTrials(
    studyName: string,
    body: api.FailRunningRequest,
    options?: RequestOptions,
  ): Promise<api.FailedTrials> {
    return this.callOnce("POST", studyPath(studyName, "trials", "fail-running"), {
      ...options,
      body,
    });
  }

  /** Take back the wrong result of a trial, which becomes FAIL. */
  async invalidateTrial(
    studyName: string,
    trialId: number,
    body: api.InvalidateRequest,
    options?: RequestOptions,
  ): Promise<api.Trial> {
    return this.callOnce("POST", studyPath(studyName, "trials", trialId, "invalidate"), {
      ...options,
      body,
    });
  }
}

/** Return the body of an ask, and whether it may be repeated: with a worker, and if not for a new trial. */
function ask<T extends api.SuggestRequest>(body: T): { body: T; repeatable: boolean } {
  return {
    body: { ...body, worker_id: body.worker_id ?? randomId() },
    repeatable: body.new !== true,
  };
}
