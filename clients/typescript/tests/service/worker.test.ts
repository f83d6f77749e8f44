/** The worker's loop against the service. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import {
  type ActiveTrial,
  Infeasible,
  Invalid,
  LeaseLost,
  Pruned,
  StudyStopped,
} from "@tuner/client";
import { createStudy, square } from "../support/studies.js";

/** An objective that ends when its trial is not needed, by an error that says why. */
function untilStopped({ signal }: ActiveTrial): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

test("a run evaluates trials side by side until the budget is used up", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 12 });
  let running = 0;
  let most = 0;
  const result = await study.run(
    async (trial) => {
      most = Math.max(most, ++running);
      for (let step = trial.nextStep; step < 3; step++) await trial.report(step / 10, step);
      running--;
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
  assert.equal(most, 4);
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

test("runs of one worker in a process take different trials", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 2 });
  const objective = async (trial: ActiveTrial) => {
    while ((await client.getStudy(name)).trial_counts.RUNNING + trial.offer.trial_id < 2)
      await wait(10);
    return square(trial);
  };
  const runs = await Promise.all([
    study.run(objective, { workerId: "w" }),
    study.run(objective, { workerId: "w" }),
  ]);
  assert.deepEqual(
    runs.map((each) => each.complete),
    [1, 1],
  );
});

test("report throws Pruned when the pruner would stop the trial", async (t) => {
  const pruner_options = { n_startup_trials: 1, n_warmup_steps: 0 };
  const { client, name, study } = await createStudy(t, {
    pruner: "median",
    pruner_options,
    max_trials: 3,
  });
  const replies: boolean[] = [];
  const result = await study.run(async (trial) => {
    const number = trial.offer.trial_id;
    const reply = await trial.report(-number, 0, { throws: number < 2, userAttrs: { number } });
    replies.push(reply.should_prune);
    return -number;
  });
  assert.deepEqual([result.complete, result.pruned], [2, 1]);
  assert.deepEqual(replies, [false, true]);
  const trial = await client.getTrial(name, 1);
  assert.deepEqual([trial.state, trial.values, trial.user_attrs], ["PRUNED", [-1], { number: 1 }]);
  assert.equal(trial.reason, "the pruner median would stop it at step 0");
});

test("values that are not finite fail the trial, and are stored as NaN if reported", async (t) => {
  const { client, name, study, states } = await createStudy(t, { max_failures: 2, max_retries: 1 });
  const result = await study.run(async (trial) => {
    await trial.report(Infinity);
    return trial.offer.trial_id === 0 ? NaN : -Infinity;
  });
  assert.equal(result.failed, 2);
  assert.deepEqual(await states(), ["FAIL", "FAIL"]);
  const trial = await client.getTrial(name, 0);
  assert.deepEqual(
    [trial.reason, trial.intermediate_values],
    ["the objective returned NaN", { 0: null }],
  );
});

test("an error fails the trial, which is retried, and ends the run", async (t) => {
  const { client, name, study } = await createStudy(t, { max_retries: 3 });
  const error = new Error("no memory \ud800 \0");
  const running = study.run(
    async (trial) => {
      if (trial.offer.worker_id === "w.1") throw error;
      return untilStopped(trial);
    },
    { concurrency: 2, workerId: "w" },
  );
  await assert.rejects(running, (thrown) => thrown === error);
  const trials = await client.listTrials(name);
  assert.deepEqual(trials.map((trial) => trial.state).sort(), [
    "FAIL",
    "FAIL",
    "WAITING",
    "WAITING",
  ]);
  const reasons = trials.filter((trial) => trial.state === "FAIL").map((trial) => trial.reason);
  assert.deepEqual(reasons.sort(), ["Error: no memory \ufffd \ufffd", "the worker was stopped"]);
});

test("errors that are caught do not end the run", async (t) => {
  const { study, states } = await createStudy(t, { max_trials: 2, max_retries: 3 });
  const seen: unknown[] = [];
  const result = await study.run(
    (trial) => {
      if (trial.offer.attempt < 3) throw new RangeError(`attempt ${trial.offer.attempt}`);
      return square(trial);
    },
    { catch: (error) => Boolean(seen.push(error)) },
  );
  assert.deepEqual([result.complete, result.failed, seen.length], [2, 4, 4]);
  assert.deepEqual((await states()).filter((state) => state === "COMPLETE").length, 2);
});

test("an objective that returns no number is an error", async (t) => {
  const { study } = await createStudy(t);
  await assert.rejects(
    study.run(() => undefined as never),
    /returned undefined: expected a number/,
  );
});

test("a result that the study does not take fails the trial and ends the run", async (t) => {
  const { client, name, study } = await createStudy(t);
  await assert.rejects(
    study.run(() => [1, 2]),
    Invalid,
  );
  const trial = await client.getTrial(name, 0);
  assert.equal(trial.state, "FAIL");
  assert.match(trial.reason!, /^Invalid: 400 invalid: .*the study has 1 objectives, but 2 values/);
});

test("infeasible parameters are told as such", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 1 });
  const result = await study.run(() => {
    throw new Infeasible("too large");
  });
  const { state, infeasible, reason } = await client.getTrial(name, 0);
  assert.deepEqual(
    [result.failed, state, infeasible, reason],
    [1, "FAIL", true, "too large"],
  );
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

test("an objective prunes by itself", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 1 });
  const result = await study.run(() => {
    throw new Pruned("diverged");
  });
  const { state, reason } = await client.getTrial(name, 0);
  assert.deepEqual([result.pruned, state, reason], [1, "PRUNED", "diverged"]);
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
