/** Real HTTP servers that misbehave on purpose. */

import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Received {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

/** Answers a request; `socket.destroy()` breaks the connection instead. */
export type Handler = (received: Received, response: ServerResponse) => void | Promise<void>;

/** A server that keeps what it receives. */
export class RecordingServer {
  readonly received: Received[] = [];
  readonly #server: Server;

  private constructor(handle: Handler) {
    this.#server = createServer(async (message, response) => {
      const received = await read(message);
      this.received.push(received);
      await handle(received, response);
    });
  }

  /** Start a server that the end of the test closes. */
  static async start(test: TestContext, handle: Handler): Promise<RecordingServer> {
    const server = new RecordingServer(handle);
    await server.listen();
    test.after(() => server.close());
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
  }

  /** Refuse connections from now on. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function read(message: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const { method = "", url = "", headers } = message;
  return { method, url, headers, body: Buffer.concat(chunks).toString() };
}

export function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: object = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  headers: object = {},
): void {
  const type = { "Content-Type": "application/problem+json" };
  answer(response, status, { status, code, detail: "on purpose" }, { ...type, ...headers });
}

/** What a proxy does to a request: `lose` and `cut` spoil the answer, the others spare the service. */
export type Fault = "pass" | "reset" | "lose" | "cut" | 429 | 502 | 503;

/** Forward requests to a service, with the faults that a function chooses. */
export function faultyProxy(target: string, choose: (received: Received) => Fault): Handler {
  return async (received, response) => {
    const fault = choose(received);
    if (fault === "reset") return void response.socket?.destroy();
    if (typeof fault === "number")
      return problem(response, fault, `http_${fault}`, { "Retry-After": "0" });
    const { status, headers, body } = await forward(target, received);
    if (fault === "lose") return void response.socket?.destroy();
    response.writeHead(status, headers);
    if (fault === "pass") return void response.end(body);
    response.write(body.subarray(0, body.length / 2), () => response.socket?.destroy());
  };
}

function forward(target: string, { method, url, headers, body }: Received) {
  return new Promise<{ status: number; headers: IncomingMessage["headers"]; body: Buffer }>(
    (resolve, reject) => {
      const sent = request(
        new URL(url, target),
        { method, headers, agent: false },
        async (message) => {
          const chunks: Buffer[] = [];
          for await (const chunk of message) chunks.push(chunk as Buffer);
          resolve({
            status: message.statusCode ?? 0,
            headers: message.headers,
            body: Buffer.concat(chunks),
          });
        },
      );
      sent.on("error", reject);
      sent.end(body);
    },
  );
}
