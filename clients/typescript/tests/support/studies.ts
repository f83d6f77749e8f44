/** A client of the service under test, and studies for single tests. */

import type { TestContext } from "node:test";
import {
  type ActiveTrial,
  type CreateStudyRequest,
  TunerClient,
  type TunerClientOptions,
} from "@tuner/client";

const SPACE = [{ type: "float" as const, name: "x", low: -1, high: 1 }];
let n = 0;

process.on("warning", (warning) => {
  throw warning; // of listeners that pile up, say
});

export function connect(options: TunerClientOptions = {}): TunerClient {
  const baseUrl = process.env["TUNER_URL"]!;
  return new TunerClient({ baseUrl, warn: () => undefined, deadline: 60_000, ...options });
}

/** Create a study of one parameter that the end of the test deletes. */
export async function createStudy(test: TestContext, definition: Partial<CreateStudyRequest> = {}) {
  const client = connect();
  const name = `${process.pid} ${n++}`;
  await client.createStudy({ name, search_space: SPACE, sampler: "random", ...definition });
  test.after(() => client.deleteStudy(name));
  const states = async () => (await client.listTrials(name)).map((trial) => trial.state);
  return { client, name, study: client.study(name), states };
}

/** An objective that is best at 0. */
export const square = ({ params }: ActiveTrial): number => 1 - params["x"] ** 2;

/** An objective that ends when its trial is not needed, by an error that says why. */
export function untilStopped({ signal }: ActiveTrial): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}
