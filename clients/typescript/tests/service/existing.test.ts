/** Each call of the earlier TypeScript client, as its users write it, against the service. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TunerClient, TunerClientError } from "@tuner/client";
import type { CreateStudyRequest, SearchSpaceParameter, TrialCompleteRequest } from "@tuner/client";

const SPACE: SearchSpaceParameter[] = [
  { type: "float", name: "lr", low: 0.001, high: 0.1, log: true },
  { type: "int", name: "depth", low: 10, high: 100, step: 10 },
  { type: "categorical", name: "tier", choices: ["fast", "accurate", true, 3] },
];

/** What such users have around it: functions that take the parameters as their types say. */
function evaluate(params: Record<string, number | string | boolean>): number {
  return Number(params["lr"]);
}

test("the calls of an existing program work unchanged", async () => {
  const client = new TunerClient({ baseUrl: process.env["TUNER_URL"]!, timeout: 30_000 });

  const health = await client.health();
  assert.deepEqual([health.status, health.storage_connected], ["healthy", true]);
  assert.deepEqual(await client.ready(), { status: "ready" });

  const request: CreateStudyRequest = {
    name: "existing ü?#100%",
    direction: "maximize",
    search_space: SPACE,
    sampler: "random",
    pruner: "hyperband",
    load_if_exists: true,
  };
  const study = await client.createStudy(request);
  assert.deepEqual(
    [study.study_name, study.direction, study.n_trials],
    [request.name, "maximize", 0],
  );
  assert.equal((await client.createStudy(request)).study_id, study.study_id);

  for (let i = 0; i < 3; i++) {
    const suggestion = await client.suggestTrial(request.name);
    assert.deepEqual([suggestion.trial_id, suggestion.study_name], [i, request.name]);
    const result: TrialCompleteRequest = {
      values: evaluate(suggestion.params),
      intermediate_values: { 0: 0.5 },
      user_attrs: { p95: 12 },
    };
    const trial = await client.completeTrial(request.name, suggestion.trial_id, result);
    assert.deepEqual(
      [trial.state, trial.values, trial.user_attrs],
      ["COMPLETE", [result.values], { p95: 12 }],
    );
  }
  const { trial_id } = await client.suggestTrial(request.name);
  assert.equal((await client.pruneTrial(request.name, trial_id)).state, "PRUNED");

  const trials = await client.listTrials(request.name, { state: "COMPLETE", limit: 2, offset: 1 });
  assert.deepEqual(
    trials.map((trial) => trial.trial_id),
    [1, 2],
  );

  const best = await client.getBestParams(request.name);
  assert.equal(best.value, best.params["lr"]);
  const { importances, method } = await client.getParamImportance(request.name, 0);
  assert.deepEqual(Object.keys(importances).sort(), ["depth", "lr", "tier"]);
  assert.ok(method);
  assert.deepEqual((await client.getStudy(request.name)).best_params, best.params);
  assert.ok((await client.listStudies()).some((each) => each.study_name === request.name));

  assert.equal(await client.deleteStudy(request.name), undefined);
  await assert.rejects(client.getStudy(request.name), (error) => {
    assert.ok(error instanceof TunerClientError);
    assert.equal(error.status, 404);
    assert.equal(error.detail, `there is no study "${request.name}"`);
    return true;
  });
});

test("several objectives have a Pareto front", async () => {
  const client = new TunerClient({ baseUrl: `${process.env["TUNER_URL"]}/api/v1` });
  await client.createStudy({
    name: "two",
    direction: ["maximize", "minimize"],
    search_space: SPACE,
  });
  for (const values of [
    [1, 1],
    [2, 2],
    [1, 3],
  ]) {
    const { trial_id } = await client.suggestTrial("two");
    await client.completeTrial("two", trial_id, { values });
  }
  const front = await client.getParetoFront("two");
  assert.deepEqual(
    front.map(({ trial_id, values }) => [trial_id, values]),
    [
      [0, [1, 1]],
      [1, [2, 2]],
    ],
  );
  await client.deleteStudy("two");
});
