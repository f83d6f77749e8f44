/** How evaluations end, and what the service then has of the trial. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Infeasible, Invalid, Pruned } from "@tuner/client";
import { createStudy, square, untilStopped } from "../support/studies.js";

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
  // The error waits for the other trial, which would be the retry if it were asked for later.
  let bothRun = () => {};
  const untilBothRun = new Promise<void>((resolve) => (bothRun = resolve));
  const running = study.run(
    async (trial) => {
      if (trial.offer.worker_id === "w.1") {
        await untilBothRun;
        throw error;
      }
      bothRun();
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
  assert.deepEqual([result.failed, state, infeasible, reason], [1, "FAIL", true, "too large"]);
});

test("an objective prunes by itself", async (t) => {
  const { client, name, study } = await createStudy(t, { max_trials: 1 });
  const result = await study.run(() => {
    throw new Pruned("diverged");
  });
  const { state, reason } = await client.getTrial(name, 0);
  assert.deepEqual([result.pruned, state, reason], [1, "PRUNED", "diverged"]);
});
