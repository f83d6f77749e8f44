/** Requests over `fetch`, each repeated until it is answered, refused, or out of time. */

import { ApiError, Busy, ConnectionFailed } from "../errors.js";
import { type Answer, interpret, JSON_TYPE, receive } from "./answers.js";
import { describe, wasSent } from "./faults.js";
import { Attempts, type Backoff, type Repetition } from "./retries.js";
import { onAbort, sleep } from "./timing.js";
import { queryString, type QueryValue } from "./urls.js";

/** What a caller may say about a single request. */
export interface RequestOptions {
  /** Ends the request, also between attempts. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that an attempt may take. */
  timeout?: number | undefined;
  /** Milliseconds after which no further attempt is made; 0: a single attempt. */
  deadline?: number | undefined;
}

export interface Call extends RequestOptions, Repetition {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/api/v1`, percent-encoded. */
  path: string;
  query?: Record<string, QueryValue> | undefined;
  /** Sent as JSON, if it is not a text or a file. */
  body?: unknown;
  contentType?: string;
  /** The media type of the answer. Default: JSON. */
  accept?: string;
  /** Ends the attempts, but not one that is under way. */
  until?: AbortSignal;
}

export interface Settings {
  url: string;
  token: string | undefined;
  timeout: number;
  deadline: number;
  backoff: Backoff;
  warn: (message: string) => void;
}

export class Transport {
  readonly settings: Settings;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** Send a request, again and again if need be, and return its answer. */
  async send<T>(call: Call): Promise<Answer<T>> {
    const { deadline, backoff, warn } = this.settings;
    const attempts = new Attempts(call.deadline ?? deadline, backoff, call);
    for (;;) {
      call.signal?.throwIfAborted();
      try {
        return await this.#attempt<T>(call);
      } catch (error) {
        call.signal?.throwIfAborted();
        const pause = attempts.pauseAfter(error);
        if (!(error instanceof Busy)) warn(`${String(error)}; trying again`);
        await sleep(pause, call.signal, call.until);
        if (call.until?.aborted) throw error;
      }
    }
  }

  async #attempt<T>(call: Call): Promise<Answer<T>> {
    const { url, timeout, token } = this.settings;
    const target = url + call.path + queryString(call.query);
    const limit = call.timeout ?? timeout;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new Error(`no answer in ${limit} ms`)), limit);
    const unlisten = onAbort(call.signal, (reason) => controller.abort(reason));
    try {
      const received = await receive(await fetch(target, init(call, token, controller.signal)));
      return interpret<T>(received, call, target);
    } catch (error) {
      if (error instanceof ApiError) throw error;
      throw new ConnectionFailed(
        `${call.method} ${target}: ${describe(error)}`,
        wasSent(error),
        error,
      );
    } finally {
      clearTimeout(timer);
      unlisten();
    }
  }
}

function init(call: Call, token: string | undefined, signal: AbortSignal): RequestInit {
  const { method, body, accept = JSON_TYPE, contentType = JSON_TYPE } = call;
  const headers: Record<string, string> = { Accept: accept };
  if (method !== "GET") headers["Content-Type"] = contentType;
  if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
  const isRaw = typeof body === "string" || body instanceof Blob;
  const sent = isRaw || body === undefined ? body : JSON.stringify(body);
  // Followed, a redirected POST would become a GET, and a token could reach another host.
  return { method, headers, body: sent ?? null, signal, redirect: "manual" };
}
