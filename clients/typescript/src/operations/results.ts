/** Operations that read trials and results. */

import type { RequestOptions } from "../http/transport.js";
import { studyPath } from "../http/urls.js";
import type * as api from "../openapi.gen.js";
import type { Filters } from "./operations.js";
import { TrialOperations } from "./trials.js";

type TrialQuery = Filters<api.ListTrialsData["query"]>;
type PlotKind = api.GetPlotData["path"]["kind"];
type PlotQuery = NonNullable<api.GetPlotData["query"]>;

/** The forms of a plot: a figure of Plotly, a page, and images. */
export interface Plot {
  json: Record<string, unknown>;
  html: string;
  svg: string;
  png: Blob;
}
const PLOT_TYPES: Record<keyof Plot, string> = {
  json: "application/json",
  html: "text/html",
  svg: "image/svg+xml",
  png: "image/png",
};

/** The forms of a log. */
export interface Log {
  json: api.TrialLog;
  text: string;
}
const LOG_TYPES: Record<keyof Log, string> = { json: "application/json", text: "text/plain" };

export abstract class ResultOperations extends TrialOperations {
  /** List a page of trials, by number unless `order_by` says otherwise. */
  async listTrials(
    studyName: string,
    query?: TrialQuery,
    options?: RequestOptions,
  ): Promise<api.Trial[]> {
    return this.call("GET", studyPath(studyName, "trials"), { ...options, query });
  }

  /** List the trials of all pages, one by one. */
  async *allTrials(
    studyName: string,
    query?: TrialQuery,
    options?: RequestOptions,
  ): AsyncGenerator<api.Trial> {
    const call = {
      ...options,
      method: "GET",
      path: studyPath(studyName, "trials"),
      repeatable: true,
    } as const;
    let page: Record<string, string | number | boolean | object> | undefined = query;
    while (true) {
      const { body, headers } = await this.transport.send<api.Trial[]>({ ...call, query: page });
      yield* body;
      const next = headers.get("Link")?.match(/<[^>?]*\?([^>]*)>;\s*rel="next"/);
      if (!next) return;
      page = Object.fromEntries(new URLSearchParams(next[1]));
    }
  }

  /** Return a trial with its note and links. */
  async getTrial(
    studyName: string,
    trialId: number,
    options?: RequestOptions,
  ): Promise<api.AnnotatedTrial> {
    return this.call("GET", studyPath(studyName, "trials", trialId), options);
  }

  /** Return the end of what a trial's evaluation has printed, or its text alone. */
  async getTrialLog<Format extends keyof Log = "json">(
    studyName: string,
    trialId: number,
    query?: { format?: Format },
    options?: RequestOptions,
  ): Promise<Log[Format]> {
    const format: keyof Log = query?.format ?? "json";
    const given = { ...options, query: { format }, accept: LOG_TYPES[format] };
    return this.call("GET", studyPath(studyName, "trials", trialId, "log"), given);
  }

  /** Return the best trial; of several objectives the first one of the Pareto front. */
  async getBestParams(studyName: string, options?: RequestOptions): Promise<api.Best> {
    return this.call("GET", studyPath(studyName, "best"), options);
  }

  async getParetoFront(
    studyName: string,
    query?: api.ListParetoFrontData["query"],
    options?: RequestOptions,
  ): Promise<api.ParetoTrial[]> {
    return this.call("GET", studyPath(studyName, "pareto"), { ...options, query });
  }

  /** Return the importance of each parameter, for the objective of an index or as the query says. */
  async getParamImportance(
    studyName: string,
    query?: number | api.GetImportanceData["query"],
    options?: RequestOptions,
  ): Promise<api.Importance> {
    const given = typeof query === "number" ? { target_idx: query } : query;
    return this.call("GET", studyPath(studyName, "importance"), { ...options, query: given });
  }

  async getProgress(studyName: string, options?: RequestOptions): Promise<api.Progress> {
    return this.call("GET", studyPath(studyName, "progress"), options);
  }

  async getAdvice(studyName: string, options?: RequestOptions): Promise<api.Advice[]> {
    return this.call("GET", studyPath(studyName, "advice"), options);
  }

  async getHistory(
    studyName: string,
    query?: api.GetHistoryData["query"],
    options?: RequestOptions,
  ): Promise<api.OptimizationHistory> {
    return this.call("GET", studyPath(studyName, "history"), { ...options, query });
  }

  async getHypervolume(
    studyName: string,
    query?: api.GetHypervolumeData["query"],
    options?: RequestOptions,
  ): Promise<api.Hypervolume> {
    return this.call("GET", studyPath(studyName, "hypervolume"), { ...options, query });
  }

  /** Return a plot as a figure of Plotly, or in the `format` of the query. */
  async getPlot<Format extends keyof Plot = "json">(
    studyName: string,
    kind: PlotKind,
    query?: Omit<PlotQuery, "format"> & { format?: Format },
    options?: RequestOptions,
  ): Promise<Plot[Format]> {
    const format: keyof Plot = query?.format ?? "json";
    const given = { ...options, query: { ...query, format }, accept: PLOT_TYPES[format] };
    return this.call("GET", studyPath(studyName, "plots", kind), given);
  }
}
