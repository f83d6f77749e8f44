/** The client beside the OpenAPI document: each operation is called as it is described there. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { TunerClient } from "@tuner/client";
import { type Received, RecordingServer } from "./support/servers.js";

interface Operation {
  operationId: string;
  parameters?: { in: string; name: string; required?: boolean }[];
  requestBody?: { content: Record<string, unknown> };
  responses: Record<string, { content?: Record<string, unknown> }>;
}
type Document = { paths: Record<string, Record<string, Operation>> };

const document = JSON.parse(readFileSync(process.env["OPENAPI"]!, "utf8")) as Document;

const SPACE = [{ type: "float" as const, name: "x", low: 0, high: 1 }];
const PAGE = { limit: 1, offset: 2 };

/** A call of each operation, with all keys of its query. */
const CALLS: Record<string, (client: TunerClient) => Promise<unknown>> = {
  getHealth: (client) => client.health(),
  getReadiness: (client) => client.ready(),
  listStudies: (client) =>
    client.listStudies({
      ...PAGE,
      name: "n",
      order_by: "name",
      sampler: "tpe",
      state: "ACTIVE",
      tag: ["a"],
    }),
  compareStudies: (client) =>
    client.compareStudies(["s"], {
      reference_point: "1,2",
      rows: "all",
      target: 0.5,
      target_idx: 0,
    }),
  createStudy: (client) => client.createStudy({ name: "s", search_space: SPACE }),
  getStudy: (client) => client.getStudy("s"),
  updateStudy: (client) => client.updateStudy("s", { max_trials: 5 }),
  deleteStudy: (client) => client.deleteStudy("s"),
  getAdvice: (client) => client.getAdvice("s"),
  getBestTrial: (client) => client.getBestParams("s"),
  cancelStudy: (client) => client.cancelStudy("s", { reason: "r" }),
  cloneStudy: (client) => client.cloneStudy("s", { name: "t" }),
  completeStudy: (client) => client.completeStudy("s", { stop_running: true }),
  exportStudy: (client) => client.exportStudy("s"),
  getHistory: (client) => client.getHistory("s", { limit: 5, target_idx: 0 }),
  getHypervolume: (client) => client.getHypervolume("s", { reference_point: "1,2" }),
  getImportance: (client) =>
    client.getParamImportance("s", { method: "fanova", target: "objective", target_idx: 1 }),
  listSearchSpaceVersions: (client) => client.listSearchSpaceVersions("s", PAGE),
  createShare: (client) => client.createShare("s", { expires_in_days: 3 }),
  listShares: (client) => client.listShares("s", PAGE),
  revokeShare: (client) => client.revokeShare("s", 9),
  listParetoFront: (client) => client.getParetoFront("s", PAGE),
  pauseStudy: (client) => client.pauseStudy("s", { reason: "r" }),
  getPlot: (client) =>
    client.getPlot("s", "slice", {
      format: "png",
      method: "fanova",
      params: "[]",
      reference_point: "1",
      target: "front",
      target_idx: 0,
    }),
  getProgress: (client) => client.getProgress("s"),
  resumeStudy: (client) => client.resumeStudy("s", { reason: "r" }),
  retryFailedTrials: (client) => client.retryFailedTrials("s", { limit: 5 }),
  listTrials: (client) =>
    client.listTrials("s", {
      ...PAGE,
      cursor: "c",
      feasible: true,
      max_value: 1,
      min_value: 0,
      order_by: "value",
      params: { x: 0.5 },
      repeat_group: 3,
      state: "COMPLETE",
      target_idx: 0,
      worker_id: "w",
    }),
  addTrials: (client) => client.addTrials("s", [{ params: { x: 0.5 } }]),
  getTrial: (client) => client.getTrial("s", 7),
  getTrialLog: (client) => client.getTrialLog("s", 7, { format: "text" }),
  writeTrialLog: (client) =>
    client.writeTrialLog("s", 7, "t", { append: true, offset: 5, study_id: 1, worker_id: "w" }),
  updateTrial: (client) => client.updateTrial("s", 7, { user_attrs: {} }),
  cancelTrial: (client) => client.cancelTrial("s", 7),
  completeTrial: (client) => client.completeTrial("s", 7, { values: 0.5 }),
  failTrial: (client) => client.failTrial("s", 7, { retry: true }),
  renewLease: (client) => client.renewLease("s", 7, { worker_id: "w" }),
  invalidateTrial: (client) => client.invalidateTrial("s", 7, { reason: "r" }),
  pruneTrial: (client) => client.pruneTrial("s", 7, { reason: "r" }),
  reportTrial: (client) => client.reportTrial("s", 7, { step: 0, value: 0.5 }),
  retryTrial: (client) => client.retryTrial("s", 7),
  completeTrials: (client) => client.completeTrials("s", { trials: [{ trial_id: 7, values: 1 }] }),
  failRunningTrials: (client) => client.failRunningTrials("s", { silent_for_seconds: 5 }),
  suggestTrial: (client) => client.suggestTrial("s"),
  suggestTrials: (client) => client.suggestTrials("s", { count: 5 }),
  listEvents: (client) => client.listEvents("s", { after: 3, limit: 5 }),
  listWebhooks: (client) => client.listWebhooks(PAGE),
  createWebhook: (client) => client.createWebhook({ name: "a", url: "https://example.org" }),
  getWebhook: (client) => client.getWebhook(8),
  updateWebhook: (client) => client.updateWebhook(8, { enabled: true }),
  deleteWebhook: (client) => client.deleteWebhook(8),
  rotateWebhookSecret: (client) => client.rotateWebhookSecret(8),
  pingWebhook: (client) => client.pingWebhook(8),
  importStudies: (client) => client.importStudies("{}\n", { conflict: "skip", dry_run: true }),
};
// Of no operation of their own: pages of `listTrials` and `listEvents`, and the worker's loop.
const OTHERS = ["allTrials", "allEvents", "study"];
const RENAMED: Record<string, string> = {
  health: "getHealth",
  ready: "getReadiness",
  getBestParams: "getBestTrial",
  getParetoFront: "listParetoFront",
  getParamImportance: "getImportance",
};
const IN_PATH: Record<string, string> = { study_name: "s", trial_id: "7", kind: "slice", webhook_id: "8", share_id: "9" };

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
);

test("each operation has a call here, and each call an operation", () => {
  assert.deepEqual(Object.keys(CALLS).sort(), operations.map((each) => each.operationId).sort());
});

test("each method of the client is an operation, or is named above", () => {
  const methods = new Set<string>();
  for (
    let each = TunerClient.prototype;
    each !== Object.prototype;
    each = Object.getPrototypeOf(each)
  ) {
    for (const name of Object.getOwnPropertyNames(each))
      methods.add(Object.hasOwn(RENAMED, name) ? RENAMED[name]! : name);
  }
  for (const name of ["constructor", "call", "callOnce", "transfer", ...OTHERS])
    methods.delete(name);
  assert.deepEqual([...methods].sort(), Object.keys(CALLS).sort());
});

for (const { path, method, operationId, parameters = [], requestBody, responses } of operations) {
  test(`${operationId} is sent as it is described`, async (t) => {
    const types = Object.entries(responses).flatMap(([status, each]) =>
      status < "300" ? Object.keys(each.content ?? {}) : [],
    );
    const server = await RecordingServer.start(t, ({ headers }, response) => {
      assert.ok(types.length === 0 || types.includes(headers.accept!), headers.accept);
      const type = headers.accept!;
      response.writeHead(types.length ? 200 : 204, { "Content-Type": type });
      response.end(types.length && type.endsWith("json") ? "{}" : "");
    });
    await CALLS[operationId]!(new TunerClient({ baseUrl: server.url }));
    const [sent] = server.received as [Received];
    const [sentPath, query] = sent.url.split("?");
    assert.equal(sent.method, method.toUpperCase());
    assert.equal(
      sentPath,
      path.replace(/\{(\w+)\}/g, (_, name: string) => IN_PATH[name]!),
    );
    const names = parameters.filter((each) => each.in === "query").map((each) => each.name);
    assert.deepEqual([...new URLSearchParams(query).keys()].sort(), names.sort());
    if (requestBody) assert.ok(sent.headers["content-type"]! in requestBody.content);
    assert.equal(sent.body !== "", requestBody !== undefined);
  });
}
