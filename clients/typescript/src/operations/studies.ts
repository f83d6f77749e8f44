/** Operations of studies, and of the service itself. */

import type { RequestOptions } from "../http/transport.js";
import { checkStudyName, studyPath } from "../http/urls.js";
import type * as api from "../openapi.gen.js";
import { type Filters, Operations } from "./operations.js";

const JSON_LINES = "application/x-ndjson";

export abstract class StudyOperations extends Operations {
  /** Report whether the service lives; a single attempt. */
  async health(options?: RequestOptions): Promise<api.Health> {
    return this.call("GET", "/health", { deadline: 0, ...options });
  }

  /** Report whether the service can serve requests; a single attempt, which throws if it cannot. */
  async ready(options?: RequestOptions): Promise<api.Ready> {
    return this.call("GET", "/ready", { deadline: 0, ...options });
  }

  /** Create a study, or load the one of this name. */
  async createStudy(body: api.CreateStudyRequest, options?: RequestOptions): Promise<api.Study> {
    checkStudyName(body.name);
    const repeatable = body.load_if_exists !== false;
    return this.call("POST", "/studies", { ...options, body, repeatable });
  }

  async listStudies(
    query?: Filters<api.ListStudiesData["query"]>,
    options?: RequestOptions,
  ): Promise<api.StudySummary[]> {
    return this.call("GET", "/studies", { ...options, query });
  }

  /** Compare 2 to 8 studies: which is better, how fast, with which settings. */
  async compareStudies(
    names: string[],
    query?: Omit<NonNullable<api.CompareStudiesData["query"]>, "names">,
    options?: RequestOptions,
  ): Promise<api.Comparison> {
    return this.call("GET", "/studies/compare", { ...options, query: { ...query, names } });
  }

  async getStudy(studyName: string, options?: RequestOptions): Promise<api.Study> {
    return this.call("GET", studyPath(studyName), options);
  }

  /** List the search spaces that a study has had, the current one first. */
  async listSearchSpaceVersions(
    studyName: string,
    query?: api.ListSearchSpaceVersionsData["query"],
    options?: RequestOptions,
  ): Promise<api.SearchSpaceVersion[]> {
    return this.call("GET", studyPath(studyName, "search-space-versions"), { ...options, query });
  }

  /** Change budgets, the lease, retries, user attributes, metric names or the search space. */
  async updateStudy(
    studyName: string,
    body: api.PatchedChangeStudyRequest,
    options?: RequestOptions,
  ): Promise<api.Study> {
    return this.call("PATCH", studyPath(studyName), { ...options, body });
  }

  /** Delete a study with its trials. */
  async deleteStudy(studyName: string, options?: RequestOptions): Promise<void> {
    await this.call("DELETE", studyPath(studyName), options);
  }

  /** Create a link that opens the page of a study; its `url` cannot be read again. */
  async createShare(
    studyName: string,
    body?: api.CreateShareRequest,
    options?: RequestOptions,
  ): Promise<api.NewShare> {
    return this.callOnce("POST", studyPath(studyName, "shares"), { ...options, body });
  }

  /** List the links to a study that are neither expired nor revoked. */
  async listShares(
    studyName: string,
    query?: api.ListSharesData["query"],
    options?: RequestOptions,
  ): Promise<api.Share[]> {
    return this.call("GET", studyPath(studyName, "shares"), { ...options, query });
  }

  /** Revoke a link to a study. */
  async revokeShare(studyName: string, shareId: number, options?: RequestOptions): Promise<void> {
    await this.call("DELETE", studyPath(studyName, "shares", String(shareId)), options);
  }

  async pauseStudy(
    studyName: string,
    body?: api.TransitionRequest,
    options?: RequestOptions,
  ): Promise<api.Study> {
    return this.call("POST", studyPath(studyName, "pause"), { ...options, body });
  }

  async resumeStudy(
    studyName: string,
    body?: api.TransitionRequest,
    options?: RequestOptions,
  ): Promise<api.Study> {
    return this.call("POST", studyPath(studyName, "resume"), { ...options, body });
  }

  async completeStudy(
    studyName: string,
    body?: api.CompleteStudyRequest,
    options?: RequestOptions,
  ): Promise<api.Study> {
    return this.call("POST", studyPath(studyName, "complete"), { ...options, body });
  }

  /** Cancel a study for good; running trials are told to stop. */
  async cancelStudy(
    studyName: string,
    body?: api.TransitionRequest,
    options?: RequestOptions,
  ): Promise<api.Study> {
    return this.call("POST", studyPath(studyName, "cancel"), { ...options, body });
  }

  /** Copy a study under the name in the body, with its trials unless it says otherwise. */
  async cloneStudy(
    studyName: string,
    body: api.CloneStudyRequest,
    options?: RequestOptions,
  ): Promise<api.ClonedStudy> {
    checkStudyName(body.name);
    return this.callOnce("POST", studyPath(studyName, "clone"), { ...options, body });
  }

  /** Return a study with its trials as JSON Lines, for `importStudies`. */
  async exportStudy(studyName: string, options?: RequestOptions): Promise<string> {
    return this.call("GET", studyPath(studyName, "export"), {
      ...this.transfer,
      ...options,
      accept: JSON_LINES,
    });
  }

  /** Import the studies of exported JSON Lines, all or none. */
  async importStudies(
    lines: string | Blob,
    query?: api.ImportStudiesData["query"],
    options?: RequestOptions,
  ): Promise<api.Import> {
    const body = { body: lines, contentType: JSON_LINES };
    return this.callOnce("POST", "/studies/import", {
      ...this.transfer,
      ...options,
      query,
      ...body,
    });
  }

  /** What grows with the study may take as long as all attempts of another request. */
  private get transfer(): RequestOptions {
    return { timeout: this.transport.settings.deadline };
  }
}
