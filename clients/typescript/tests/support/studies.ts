/** A client of the service under test, and studies for single tests. */

import type { TestContext } from "node:test";
import { type ActiveTrial, type CreateStudyRequest, TunerClient, type TunerClientOptions } from "@tuner/client";

const SPACE = [{ type: "float" as const, name: "x", low: -1, high: 1 }];
let n = 0;

export function connect(options: TunerClientOptions = {}): TunerClient {
  return new TunerClient({ baseUrl: process.env["TUNER_URL"]!, warn: () => undefined, ...options });
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
