/** Which requests are sent again, and when: against servers that fail on purpose. */

import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test, type TestContext } from "node:test";
import {
  ApiError,
  Busy,
  ConnectionFailed,
  Forbidden,
  TunerClient,
  type TunerClientOptions,
} from "@tuner/client";
import { Attempts } from "../dist/http/retries.js";
import { answer, problem, RecordingServer } from "./support/servers.js";

type Step = (response: ServerResponse) => unknown;

const OK: Step = (response) => answer(response, 200, {});
const RESET: Step = (response) => response.socket?.destroy();
const CUT: Step = (response) => {
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "100" });
  response.write('{"trial_id"', () => response.socket?.destroy());
};
const SILENT: Step = () => undefined;
const refuse =
  (status: number, code = "on_purpose"): Step =>
  (response) =>
    problem(response, status, code, { "Retry-After": "0" });
const FROM_A_PROXY: Step = (response) =>
  response.writeHead(404, { "Content-Type": "text/html" }).end("<html>");

/** A server that answers with these steps, the last one for ever, and a client of it. */
async function serve(test: TestContext, steps: Step[], options: TunerClientOptions = {}) {
  const server = await RecordingServer.start(test, (_, response) => {
    (steps[server.received.length - 1] ?? steps.at(-1)!)(response);
  });
  const warnings: string[] = [];
  const quick = {
    backoff: { base: 1, cap: 10 },
    deadline: 60_000,
    warn: (line: string) => warnings.push(line),
  };
  const client = new TunerClient({ baseUrl: server.url, ...quick, ...options });
  return { server, client, warnings };
}

const SPACE = [{ type: "float" as const, name: "x", low: 0, high: 1 }];
const CALLS: Record<string, (client: TunerClient) => Promise<unknown>> = {
  getStudy: (client) => client.getStudy("s"),
  createStudy: (client) => client.createStudy({ name: "s", search_space: SPACE }),
  suggestTrial: (client) => client.suggestTrial("s"),
  completeTrial: (client) => client.completeTrial("s", 0, 1),
  addTrials: (client) => client.addTrials("s", { params: { x: 1 } }),
  cloneStudy: (client) => client.cloneStudy("s", { name: "t" }),
  importStudies: (client) => client.importStudies("{}\n"),
  retryTrial: (client) => client.retryTrial("s", 0),
  "createStudy, only if new": (client) =>
    client.createStudy({ name: "s", search_space: SPACE, load_if_exists: false }),
  "suggestTrial, a new one": (client) => client.suggestTrial("s", { worker_id: "w", new: true }),
};
const REPEATABLE = ["getStudy", "createStudy", "suggestTrial", "completeTrial"];

for (const [name, call] of Object.entries(CALLS)) {
  const isRepeatable = REPEATABLE.includes(name);
  for (const [fault, step] of Object.entries({
    reset: RESET,
    cut: CUT,
    502: refuse(502),
    503: refuse(503),
    504: refuse(504),
  })) {
    test(`${name} is ${isRepeatable ? "" : "not "}repeated after ${fault}`, async (t) => {
      const { client, server } = await serve(t, [step, OK]);
      if (isRepeatable) assert.deepEqual(await call(client), {});
      else await assert.rejects(call(client), Number(fault) ? ApiError : ConnectionFailed);
      assert.equal(server.received.length, isRepeatable ? 2 : 1);
    });
  }
  for (const [status, code] of [
    [408, "x"],
    [429, "x"],
    [503, "overloaded"],
  ] as const) {
    test(`${name} is repeated after ${status} ${code}: nothing was carried out`, async (t) => {
      const step = refuse(status, code);
      const { client, server } = await serve(t, [step, step, OK]);
      assert.deepEqual(await call(client), {});
      assert.equal(server.received.length, 3);
    });
  }
  test(`${name} is repeated after refused connections`, async (t) => {
    const { client, server, warnings } = await serve(t, [OK]);
    const { port } = server;
    await server.close();
    const done = call(client);
    while (warnings.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.listen(port);
    assert.deepEqual(await done, {});
    assert.equal(server.received.length, 1);
    assert.match(warnings[0]!, /ECONNREFUSED.*; trying again$/);
  });
}

test("a repeated ask names the same worker, so that it gets the same trial", async (t) => {
  const { client, server } = await serve(t, [RESET, OK]);
  await client.suggestTrial("s");
  await client.suggestTrial("s");
  const [first, second, other] = server.received.map(({ body }) => JSON.parse(body).worker_id);
  assert.equal(first, second);
  assert.notEqual(first, other);
});

test("Retry-After is read as seconds or as a moment", async (t) => {
  const soon = new Date(Date.now() + 60_000).toUTCString();
  for (const [header, low, high] of [
    ["7", 7_000, 7_000],
    [soon, 50_000, 60_000],
  ] as const) {
    const step: Step = (response) => problem(response, 429, "x", { "Retry-After": header });
    const { client } = await serve(t, [step], { deadline: 0 });
    await assert.rejects(client.getStudy("s"), ({ retryAfter }: ApiError) => {
      assert.ok(retryAfter! >= low && retryAfter! <= high, String(retryAfter));
      return true;
    });
  }
});

test("pauses are at random below a bound that grows, or above Retry-After", (t) => {
  const attempts = new Attempts(1e6, { base: 500, cap: 30_000 }, { repeatable: true });
  const away = new ConnectionFailed("away", true, undefined);
  const limited = new Busy(429, {}, { retryAfter: 1_000 });
  const random = t.mock.method(Math, "random", () => 1);
  const pauses = Array.from({ length: 8 }, () => attempts.pauseAfter(away));
  assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(attempts.pauseAfter(limited), 1_500);
  random.mock.mockImplementation(() => 0);
  assert.equal(attempts.pauseAfter(away), 0);
  assert.equal(attempts.pauseAfter(limited), 1_000);
});

test("no attempt is made after the deadline", async (t) => {
  const away: Step = (response) => problem(response, 503, "storage_away", { "Retry-After": "61" });
  const { client, server } = await serve(t, [refuse(503), refuse(503), away]);
  const error = { name: "ApiError", status: 503, code: "storage_away", retryAfter: 61_000 };
  await assert.rejects(client.getStudy("s"), error);
  assert.equal(server.received.length, 3);
});

test("an attempt that takes too long is repeated", async (t) => {
  const { client, server } = await serve(t, [SILENT, OK], { timeout: 50 });
  assert.deepEqual(await client.getStudy("s"), {});
  assert.equal(server.received.length, 2);
});

test("health and ready are single attempts", async (t) => {
  const { client, server } = await serve(t, [refuse(503)]);
  await assert.rejects(client.health(), { status: 503 });
  await assert.rejects(client.ready(), { status: 503 });
  assert.equal(server.received.length, 2);
});

test("an aborted request ends at once with the reason", async (t) => {
  const { client } = await serve(t, [SILENT]);
  const controller = new AbortController();
  const done = client.getStudy("s", { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(done, { message: "enough" });
});

for (const step of [
  refuse(400),
  refuse(404, "study_not_found"),
  refuse(409),
  refuse(500),
  refuse(503, "sampler_unavailable"),
  FROM_A_PROXY,
]) {
  test("what repeating does not help is thrown at once", async (t) => {
    const { client, server } = await serve(t, [step, OK]);
    await assert.rejects(client.getStudy("s"), ApiError);
    assert.equal(server.received.length, 1);
  });
}

for (const [what, step] of Object.entries({
  "a failure": refuse(500),
  "a proxy's 404": FROM_A_PROXY,
})) {
  test(`a run outlasts ${what}, which may mean that the service is away`, async (t) => {
    const offer = {
      trial_id: 0,
      study_name: "s",
      study_id: 1,
      worker_id: "w",
      params: {},
      intermediate_values: {},
      lease_expires_at: null,
    };
    const reply = { should_prune: false, should_stop: false, reason: null, lease_expires_at: null };
    const steps: Step[] = [
      (response) => answer(response, 200, offer),
      step,
      (response) => answer(response, 200, reply),
      OK, // complete
      step,
      (response) => problem(response, 409, "study_completed"),
    ];
    const { client } = await serve(t, steps);
    const result = await client.study("s").run(async (trial) => {
      await trial.report(1);
      return 1;
    });
    assert.equal(result.complete, 1);
  });
}

test("a redirect is not followed, but explained", async (t) => {
  const { client, server } = await serve(t, [
    (r) => r.writeHead(301, { Location: "https://elsewhere.example/" }).end(),
  ]);
  await assert.rejects(client.createStudy({ name: "s", search_space: SPACE }), {
    status: 301,
    detail: /redirected to https:\/\/elsewhere\.example\//,
  });
  assert.equal(server.received.length, 1);
});

test("an answer that is not the service's is not taken for one", async (t) => {
  const { client } = await serve(t, [
    (r) => r.writeHead(200, { "Content-Type": "text/html" }).end("<html>"),
  ]);
  await assert.rejects(client.getStudy("s"), {
    code: "http_200",
    detail: /answered with text\/html/,
  });
});

test("a problem becomes an error with its members", async (t) => {
  const body = {
    status: 403,
    code: "insufficient_scope",
    detail: "the scope of the token does not include this",
    errors: [{ pointer: "/x", detail: "no" }],
  };
  const type = { "Content-Type": "application/problem+json", "X-Request-ID": "abc" };
  const { client, server } = await serve(t, [(r) => answer(r, 403, body, type)], {
    token: "secret",
  });
  await assert.rejects(client.getStudy("s"), (error) => {
    assert.ok(error instanceof Forbidden);
    const { name, message, status, code, detail, errors, requestId } = error;
    assert.deepEqual({ status, code, detail, errors }, body);
    assert.equal(name, "Forbidden");
    assert.equal(message, `403 insufficient_scope: ${detail}`);
    assert.equal(requestId, "abc");
    return true;
  });
  assert.equal(server.received[0]!.headers.authorization, "Bearer secret");
});

test("a 429 that lasts is Busy", async (t) => {
  const { client, warnings } = await serve(t, [refuse(429)], { deadline: 0 });
  await assert.rejects(client.suggestTrial("s"), Busy);
  assert.deepEqual(warnings, []);
});
