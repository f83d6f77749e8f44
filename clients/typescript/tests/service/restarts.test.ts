/** A worker that is killed, and started again under its name. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createStudy } from "../support/studies.js";

const PROGRAM = fileURLToPath(new URL("../support/killed_worker.js", import.meta.url));

function start(study: string) {
  const env = { ...process.env, TUNER_WORKER: "pod-1" };
  return spawn(process.execPath, [PROGRAM, study], { env, stdio: ["ignore", "pipe", "inherit"] });
}

test("a worker that was killed goes on with its trial after the last reported step", async (t) => {
  const { client, name, states } = await createStudy(t, { max_trials: 1 });
  const killed = start(name);
  const [line] = (await once(killed.stdout, "data")) as [Buffer];
  assert.deepEqual(JSON.parse(line.toString()), { trial_id: 0, first: 0, reoffered: false });
  killed.kill("SIGKILL");
  await once(killed, "exit");
  assert.deepEqual(await states(), ["RUNNING"]);

  const restarted = start(name);
  const [again] = (await once(restarted.stdout, "data")) as [Buffer];
  assert.deepEqual(JSON.parse(again.toString()), { trial_id: 0, first: 3, reoffered: true });
  assert.deepEqual(await once(restarted, "exit"), [0, null]);
  const trial = await client.getTrial(name, 0);
  assert.deepEqual([trial.state, trial.worker_id, trial.attempt], ["COMPLETE", "pod-1", 1]);
  assert.deepEqual(Object.keys(trial.intermediate_values), ["0", "1", "2", "3", "4", "5"]);
});
