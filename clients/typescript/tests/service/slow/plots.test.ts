/** Plots, for which the service imports much. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createStudy } from "../../support/studies.js";

test("plots come as figures and as images", async (t) => {
  const { client, name } = await createStudy(t);
  await client.addTrials(name, { params: { x: 0.5 }, state: "COMPLETE", values: 1 });
  assert.ok("data" in (await client.getPlot(name, "history")));
  assert.match(await client.getPlot(name, "history", { format: "html" }), /<html/);
});
