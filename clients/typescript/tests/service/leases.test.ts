/** A worker that blocks its thread, and so sends no heartbeats. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createStudy, square } from "../support/studies.js";

test("a trial whose lease expired is lost, and its attributes were kept", async (t) => {
  const { client, name, study } = await createStudy(t, {
    max_trials: 1,
    lease_seconds: 0.3,
    max_retries: 1,
  });
  const result = await study.run(async (trial) => {
    if (trial.offer.trial_id === 0) {
      await trial.setUserAttrs({ checkpoint: "a" });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600); // as a computation without await
      await client.suggestTrial(name, { worker_id: "other", lease_seconds: 60 });
      await assert.rejects(trial.report(1), { name: "LeaseLost", code: "lease_lost" });
      await client.failTrial(name, 1, { worker_id: "other", retry: false });
      await trial.report(1);
    }
    return square(trial);
  });
  assert.deepEqual([result.lost, result.complete], [1, 1]);
  assert.deepEqual((await client.getTrial(name, 1)).user_attrs, { checkpoint: "a" });
});
