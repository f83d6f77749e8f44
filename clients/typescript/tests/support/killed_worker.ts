/** A worker that reports three steps and hangs, or evaluates the rest if it finds them reported. */

import { TunerClient } from "@tuner/client";

const [name] = process.argv.slice(2) as [string];
const client = new TunerClient();
await client.study(name).run(async (trial) => {
  const first = trial.nextStep;
  for (let step = first; step < first + 3; step++) await trial.report(step);
  console.log(
    JSON.stringify({ trial_id: trial.offer.trial_id, first, reoffered: trial.offer.reoffered }),
  );
  if (first === 0) await new Promise(() => setInterval(() => undefined, 1_000));
  return 1;
});
