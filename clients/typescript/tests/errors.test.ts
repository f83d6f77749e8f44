/** The errors of the client beside the codes of the service. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TunerError } from "@tuner/client";
import { apiError } from "../dist/errors.js";

/** The codes that the service has, each with its status. */
const codes = JSON.parse(process.env["CODES"]!) as Record<string, number>;

const CLASSES: Record<string, string> = {
  lease_lost: "LeaseLost",
  not_holder: "NotHolder",
  study_replaced: "StudyReplaced",
  study_busy: "Busy",
  study_completed: "StudyEnded",
  study_cancelled: "StudyEnded",
  study_paused: "StudyPaused",
  fixed_values_exhausted: "FixedValuesExhausted",
};
const BY_STATUS: Record<number, string> = {
  400: "Invalid",
  401: "Forbidden",
  403: "Forbidden",
  404: "NotFound",
  429: "Busy",
};
/** Codes without a class of their own, each with the reason. */
const PLAIN: Record<string, string> = {
  budget_used_up: "a definition that a person corrects",
  cursor_ahead: "the study begins anew, which the caller has to decide about",
  evaluators_busy: "repeated by the client",
  illegal_transition: "the action of a person",
  log_closed: "a log too late, whose trial has ended",
  image_unavailable: "the installation lacks a browser",
  max_trials_exceeded: "a definition that a person corrects",
  sampler_unavailable: "the installation lacks a part",
  sampler_unsuited: "a definition that a person corrects",
  search_space_changed: "the action of a person",
  search_space_incompatible: "a definition that a person corrects",
  studies_not_comparable: "a choice of studies that a person corrects",
  study_conflict: "a definition that a person corrects",
  study_exists: "a definition that a person corrects",
  too_many_imports: "repeated by the client",
  too_many_shares: "an owner revokes one of the links",
  too_many_search_spaces: "a definition that a person corrects",
  too_many_studies: "a limit that a person raises",
  too_many_trials: "a limit that a person raises",
  too_many_webhooks: "a limit that a person raises",
  trial_finished: "LeaseLost for the worker that held the trial; else the caller's mistake",
  trial_has_no_result: "the caller's mistake",
  trial_not_failed: "the caller's mistake",
  trial_not_running: "the caller's mistake",
  trial_not_waiting: "the caller's mistake",
  webhook_disabled: "the action of a person",
};

test("each code of the service leads to a class of its own, or is named here", () => {
  const plain = Object.entries(codes)
    .filter(([code, status]) => apiError(status, { code }).name === "ApiError")
    .map(([code]) => code);
  assert.deepEqual(plain.sort(), Object.keys(PLAIN).sort());
  for (const [code, status] of Object.entries(codes)) {
    const error = apiError(status, { code });
    assert.ok(error instanceof TunerError);
    assert.equal(error.name, CLASSES[code] ?? BY_STATUS[status] ?? "ApiError", code);
  }
});
