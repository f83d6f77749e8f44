/** A worker that blocks its thread, and so sends no heartbeats. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createStudy, square } from "../support/studies.js";

const OTHER = fileURLToPath(new URL("../support/other_worker.js", import.meta.url));

test("a trial whose lease expired is lost, and its attributes were kept", async (t) => {
  const definition = { max_trials: 1, lease_seconds: 0.3, max_retries: 1 };
  const { client, name, study } = await createStudy(t, definition);
  const result = await study.run(async (trial) => {
    if (trial.offer.trial_id === 0) {
      await trial.setUserAttrs({ checkpoint: "a" });
      execFileSync(process.execPath, [OTHER, name]); // until it has the next attempt
      await assert.rejects(trial.report(1), { name: "LeaseLost", code: "lease_lost" });
      await client.failTrial(name, 1, { worker_id: "other", retry: false });
      await trial.report(1);
    }
    return square(trial);
  });
  assert.deepEqual([result.lost, result.complete], [1, 1]);
  assert.deepEqual((await client.getTrial(name, 1)).user_attrs, { checkpoint: "a" });
});
