// A worker for Node and Bun. Started again under its name, it goes on with the trial that it held:
//
//     node worker.mjs gpu-1

import { TunerClient } from "@tuner/client";

const client = new TunerClient(); // TUNER_URL and TUNER_TOKEN, else http://127.0.0.1:8000

const study = await client.createStudy({
  name: "typescript-example",
  direction: "maximize",
  search_space: [{ type: "float", name: "x", low: -1, high: 1 }],
  pruner: "median",
  pruner_options: { n_warmup_steps: 2 },
  max_trials: 20, // exactly, with any number of workers
  lease_seconds: 120,
  max_retries: 3,
});

// At a stop, running trials are given back, and evaluated by another worker.
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort());

const result = await client.study(study.study_name).run(
  async (trial) => {
    let score = 0;
    for (let epoch = trial.nextStep; epoch < 10; epoch++) {
      score = 1 - trial.params.x ** 2 - 1 / (epoch + 1); // replace it by your training
      await trial.report(score, epoch); // throws, and so ends the trial, when it is to be pruned
    }
    return score;
  },
  { workerId: process.argv[2], concurrency: 2, signal: stop.signal },
);
console.log(`${result.ended}; complete here: ${result.complete}, pruned: ${result.pruned}`);
