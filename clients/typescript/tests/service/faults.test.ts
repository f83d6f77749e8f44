/** The worker's loop through a proxy that spoils a third of the requests. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fault, faultyProxy, RecordingServer } from "../support/servers.js";
import { connect, createStudy } from "../support/studies.js";

const FAULTS: Fault[] = ["reset", "lose", "cut", 429, 502, 503];

/** Choose a fault for every third request, each kind in turn. */
function inTurn(): () => Fault {
  let n = 0;
  return () => (++n % 3 === 0 ? FAULTS[(n / 3) % FAULTS.length]! : "pass");
}

test("no trial is lost or evaluated twice although requests and answers are", async (t) => {
  const { client, name } = await createStudy(t, { max_trials: 12, lease_seconds: 60 });
  const proxy = await RecordingServer.start(t, faultyProxy(process.env["TUNER_URL"]!, inTurn()));
  const result = await connect({ baseUrl: proxy.url, backoff: { base: 5, cap: 20 } })
    .study(name)
    .run(
      async (trial) => {
        for (let step = trial.nextStep; step < 3; step++) await trial.report(step, step);
        return trial.params["x"];
      },
      { concurrency: 12 },
    );
  assert.deepEqual([result.complete, result.lost, result.failed], [12, 0, 0]);
  const trials = await client.listTrials(name);
  assert.equal(trials.length, 12);
  for (const { state, values, params, intermediate_values } of trials) {
    assert.deepEqual([state, values], ["COMPLETE", [params["x"]]]);
    assert.deepEqual(intermediate_values, { 0: 0, 1: 1, 2: 2 });
  }
  assert.ok(proxy.received.length > 12 * 5); // some of them again
});
