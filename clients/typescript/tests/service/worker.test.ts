/** The worker's loop against the service. */

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type ActiveTrial, Invalid, LeaseLost, StudyStopped } from "@tuner/client";
import { createStudy, square, untilStopped } from "../support/studies.js";

test("a run evaluates trials side by side until the budget is used up", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 12 });
  let running = 0;
  const together = new EventEmitter();
  const all = once(together, "all");
  const result = await study.run(
    async (trial) => {
      if (++running === 4) together.emit("all");
      await all;
      for (let step = trial.nextStep; step < 3; step++) await trial.report(step / 10, step);
      return { values: square(trial), user_attrs: { host: "a" } };
    },
    { concurrency: 4, workerId: "gpu" },
  );
  assert.deepEqual(result, {
    ended: `study "${name}" is completed: max_trials`,
    complete: 12,
    pruned: 0,
    failed: 0,
    returned: 0,
    lost: 0,
  });
  const trials = await client.listTrials(name);
  assert.equal(trials.length, 12);
  for (const { params, values, intermediate_values, user_attrs } of trials) {
    assert.deepEqual(values, [1 - params["x"] ** 2]);
    assert.deepEqual(intermediate_values, { 0: 0, 1: 0.1, 2: 0.2 });
    assert.deepEqual(user_attrs, { host: "a" });
  }
  const workers = new Set(trials.map((trial) => trial.worker_id));
  assert.deepEqual([...workers].sort(), ["gpu", "gpu.1", "gpu.2", "gpu.3"]);
});

test("a trial has a note, links and a log", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 1 });
  await study.run(async (trial) => {
    await trial.note("looks odd");
    await trial.link("run", "https://example.org/1");
    await trial.link("wrong", "https://example.org/2");
    await trial.link("wrong", null);
    await trial.log("epoch 1 ☃\n");
    await trial.log("epoch 2\n");
    return 1;
  });
  const { note, links } = await client.getTrial(name, 0);
  assert.deepEqual([note, links], ["looks odd", { run: "https://example.org/1" }]);
  assert.equal(await client.getTrialLog(name, 0, { format: "text" }), "epoch 1 ☃\nepoch 2\n");
  assert.equal((await client.writeTrialLog(name, 0, "anew\n")).size, 5);
});

test("a run fixes values, and ends when there is no other point with them", async (t) => {
  const { client, name, study } = await createStudy(t, {
    search_space: [
      { type: "ordinal", name: "n", values: [16, 32] },
      { type: "categorical", name: "c", choices: ["a", "b"] },
    ],
    duplicates: "avoid",
  });
  const result = await study.run(() => 1, { fixed: { n: 32 } });
  assert.equal(result.complete, 2);
  assert.match(result.ended, /all its points with the fixed values have been visited/);
  const params = (await client.listTrials(name)).map((trial) => trial.params);
  assert.deepEqual(params.map((each) => each["n"]), [32, 32]);
  assert.deepEqual(params.map((each) => each["c"]).sort(), ["a", "b"]);
  await assert.rejects(client.suggestTrial(name, { fixed: { n: 17 } }), Invalid);
});

test("a trial has the parameters whose conditions hold", async (t) => {
  const { study } = await createStudy(t, {
    search_space: [
      { type: "categorical", name: "optimizer", choices: ["adam", "sgd"] },
      { type: "int", name: "layers", low: 1, high: 2 },
      { type: "float", name: "momentum", low: 0, high: 1, when: { optimizer: ["sgd"] } },
      { type: "int", name: "width", low: 8, high: 9, when: { layers: { min: 2 } } },
    ],
    max_trials: 8,
  });
  await study.run((trial) => {
    assert.equal("momentum" in trial.params, trial.params["optimizer"] === "sgd");
    assert.equal("width" in trial.params, trial.params["layers"] >= 2);
    return 1;
  });
});

test("runs of one worker in a process take different trials", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 2 });
  const objective = async (trial: ActiveTrial) => {
    while ((await client.getStudy(name)).n_trials < 2) await wait(10); // for the other run's
    return square(trial);
  };
  const runs = [1, 2].map(() => study.run(objective, { workerId: "w" }));
  const complete = (await Promise.all(runs)).map((each) => each.complete);
  assert.deepEqual(complete, [1, 1]);
});

test("an aborted run gives its trials back", async (t) => {
  const { study, states } = await createStudy(t, { max_retries: 1 });
  const controller = new AbortController();
  let running = 0;
  const result = await study.run(
    (trial) => {
      if (++running === 2) controller.abort();
      return untilStopped(trial);
    },
    { concurrency: 2, signal: controller.signal },
  );
  assert.deepEqual([result.ended, result.returned], ["aborted", 2]);
  assert.deepEqual(await states(), ["FAIL", "FAIL", "WAITING", "WAITING"]);
  assert.equal((await study.run(square, { signal: controller.signal })).complete, 0);
});

test("heartbeats renew the lease of a trial that reports nothing", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 1, lease_seconds: 0.6 });
  const result = await study.run(async (trial) => {
    const ends = new Set([trial.offer.lease_expires_at]);
    while (ends.size < 3) {
      ends.add((await client.getTrial(name, 0)).lease_expires_at);
      await wait(50);
    }
    return square(trial);
  });
  assert.equal(result.complete, 1);
});

test("a heartbeat learns that the study was cancelled", async (t) => {
  const { client, name, study } = await createStudy(t, { lease_seconds: 0.6 });
  const result = await study.run(async (trial) => {
    await client.cancelStudy(name, { reason: "enough" });
    return untilStopped(trial);
  });
  assert.deepEqual([result.pruned, result.ended], [1, `study "${name}" was cancelled: enough`]);
  assert.equal((await client.getTrial(name, 0)).state, "PRUNED");
});

test("report throws StudyStopped when the study was cancelled", async (t) => {
  const { client, name, study } = await createStudy(t);
  const result = await study.run(async (trial) => {
    await client.cancelStudy(name);
    await assert.rejects(trial.report(1), StudyStopped);
    await trial.report(1);
    return 1;
  });
  assert.equal(result.pruned, 1);
});

test("a trial that was ended by others is lost, and the run goes on", async (t) => {
  const { client, name, study, states } = await createStudy(t, { max_trials: 1 });
  const result = await study.run(async (trial) => {
    if (trial.offer.trial_id === 0) {
      await client.failRunningTrials(name, { silent_for_seconds: 0 });
      await assert.rejects(trial.report(1), LeaseLost);
      await trial.report(1);
    }
    return square(trial);
  });
  assert.deepEqual([result.lost, result.complete], [1, 1]);
  assert.deepEqual(await states(), ["FAIL", "COMPLETE"]);
});

test("results for a study that was replaced are lost, and the new one is worked on", async (t) => {
  const definition = {
    max_trials: 1,
    search_space: [{ type: "int" as const, name: "x", low: 1, high: 1 }],
  };
  const { client, name, study } = await createStudy(t, definition);
  let isFirst = true;
  const result = await study.run(async () => {
    if (!isFirst) return 1;
    isFirst = false;
    await client.deleteStudy(name);
    await client.createStudy({ name, ...definition });
    return 2;
  });
  assert.deepEqual([result.lost, result.complete], [1, 1]);
  assert.deepEqual((await client.getTrial(name, 0)).values, [1]);
});

test("a paused study is waited for", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 2 });
  const result = await study.run(
    async (trial) => {
      if (trial.offer.trial_id === 0) {
        await client.pauseStudy(name);
        setTimeout(() => void client.resumeStudy(name), 50);
      }
      return square(trial);
    },
    { pollInterval: 20 },
  );
  assert.equal(result.complete, 2);
});

test("a paused study ends a run that does not wait", async (t) => {
  const { client, name, study } = await createStudy(t);
  await client.pauseStudy(name, { reason: "maintenance" });
  const result = await study.run(square, { whilePaused: "end" });
  assert.deepEqual([result.complete, result.ended], [0, `study "${name}" is paused: maintenance`]);
});

test("a study that does not exist ends the run with an error", async (t) => {
  const { client } = await createStudy(t);
  await assert.rejects(client.study("nowhere").run(square), {
    name: "NotFound",
    code: "study_not_found",
  });
});

test("the trials of all pages are listed one by one", async (t) => {
  const { client, name } = await createStudy(t);
  await client.addTrials(
    name,
    Array.from({ length: 5 }, () => ({ params: { x: 0 } })),
  );
  const numbers: number[] = [];
  for await (const trial of client.allTrials(name, { limit: 2, params: { x: 0 } }))
    numbers.push(trial.trial_id);
  assert.deepEqual(numbers, [0, 1, 2, 3, 4]);
});

test("a study is exported, and imported under another name", async (t) => {
  const { client, name } = await createStudy(t);
  await client.addTrials(name, { params: { x: 0.5 }, state: "COMPLETE", values: 1 });
  const lines = await client.exportStudy(name);
  const imported = await client.importStudies(new Blob([lines]), { conflict: "rename" });
  const copy = imported.studies[0]!.imported_as!;
  assert.deepEqual((await client.getBestParams(copy)).params, { x: 0.5 });
  await client.deleteStudy(copy);
});
