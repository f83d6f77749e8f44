/** Answers of the service, and of what stands before it. */

import { apiError } from "../errors.js";
import type { Problem } from "../openapi.gen.js";

export const JSON_TYPE = "application/json";

export interface Answer<T> {
  body: T;
  headers: Headers;
}

/** A response with its content: JSON as the value, an image as a `Blob`, all else as text. */
interface Received {
  response: Response;
  type: string;
  content: unknown;
}

/** Receive a response to its end. */
export async function receive(response: Response): Promise<Received> {
  const type = (response.headers.get("Content-Type") ?? "").split(";")[0]!.trim();
  if (type.startsWith("image/png")) return { response, type, content: await response.blob() };
  const text = await response.text();
  const isJson = /^application\/(.+\+)?json$/.test(type) && text !== "";
  return { response, type, content: isJson ? JSON.parse(text) : text };
}

/** Return the answer; throw the error that it is. */
export function interpret<T>(
  { response, type, content }: Received,
  { method, accept = JSON_TYPE }: { method: string; accept?: string },
  url: string,
): Answer<T> {
  const { status, headers } = response;
  if (response.ok && (status === 204 || type === accept)) return { body: content as T, headers };
  const problem = isObject(content)
    ? content
    : { detail: describeForeign(response, type, `${method} ${url}`) };
  throw apiError(status, problem, {
    requestId: headers.get("X-Request-ID") ?? undefined,
    retryAfter: retryAfter(headers),
  });
}

function isObject(content: unknown): content is Partial<Problem> {
  return typeof content === "object" && content !== null;
}

/** Describe an answer that is not the service's. */
function describeForeign({ ok, status, headers }: Response, type: string, request: string): string {
  if (ok) return `${request} was answered with ${type || "no media type"}: is this the service?`;
  if (status === 0 || (status >= 300 && status < 400)) {
    return `${request} is redirected to ${headers.get("Location") ?? "another URL"}: use that as the base URL`;
  }
  return `${request} was answered with the status ${status}, but not by the service: is the base URL right?`;
}

/** Return the milliseconds that `Retry-After` says, in seconds or as a moment. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("Retry-After");
  if (text === null) return undefined;
  const milliseconds = /^\s*\d+(\.\d+)?\s*$/.test(text)
    ? Number(text) * 1000
    : Date.parse(text) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}
