/** Base URLs and names of studies. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { TunerClient, TunerError } from "@tuner/client";
import { answer, RecordingServer } from "./support/servers.js";

for (const suffix of ["", "/", "/api/v1", "/api/v1/"]) {
  test(`the base URL may end in "${suffix}"`, async (t) => {
    const server = await RecordingServer.start(t, (_, response) => answer(response, 200, []));
    await new TunerClient({ baseUrl: server.url + suffix }).listStudies();
    assert.equal(server.received[0]!.url, "/api/v1/studies");
  });
}

test("the base URL may have a path, of a proxy", async (t) => {
  const server = await RecordingServer.start(t, (_, response) => answer(response, 200, []));
  await new TunerClient({ baseUrl: `${server.url}/tuner` }).listStudies({
    limit: 5,
    "user_attr.a b": { min: 1 },
  });
  assert.equal(
    server.received[0]!.url,
    "/tuner/api/v1/studies?limit=5&user_attr.a+b=%7B%22min%22%3A1%7D",
  );
});

test("the base URL and the token default to the environment's", async (t) => {
  const server = await RecordingServer.start(t, (_, response) => answer(response, 200, []));
  const before = { ...process.env };
  t.after(() => (process.env = before));
  process.env["TUNER_URL"] = server.url;
  process.env["TUNER_TOKEN"] = "secret";
  await new TunerClient().listStudies();
  assert.equal(server.received[0]!.headers.authorization, "Bearer secret");
});

for (const baseUrl of ["tuner.example", "ftp://tuner.example", "https://tuner.example/?a=b", ""]) {
  test(`"${baseUrl}" is refused as a base URL`, () => {
    assert.throws(() => new TunerClient({ baseUrl }), {
      name: "TunerError",
      message: /expected http:\/\//,
    });
  });
}

for (const name of ["a/b", ".", "..", ""]) {
  test(`"${name}" is refused as the name of a study before the request`, async () => {
    const client = new TunerClient({ baseUrl: "http://127.0.0.1:9" });
    await assert.rejects(client.getStudy(name), TunerError);
    await assert.rejects(client.createStudy({ name, search_space: [] }), TunerError);
    await assert.rejects(client.cloneStudy("s", { name }), TunerError);
    assert.throws(() => client.study(name), TunerError);
  });
}
