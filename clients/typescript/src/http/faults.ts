/** Failures of `fetch`, which each runtime describes in its own way. */

// Of Node and Bun: there was no connection, so that nothing was sent. A browser does not say.
const UNSENT = new Set([
  "ECONNREFUSED",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "UND_ERR_CONNECT_TIMEOUT",
  "ConnectionRefused",
  "FailedToOpenSocket",
]);

interface Fault {
  code?: unknown;
  message?: unknown;
  cause?: unknown;
}

/** Tell whether a request may have reached the service although `fetch` failed. */
export function wasSent(error: unknown): boolean {
  return !chain(error).some(({ code }) => typeof code === "string" && UNSENT.has(code));
}

/** Return what went wrong in one line: the messages or codes of the error and its causes. */
export function describe(error: unknown): string {
  const parts = chain(error).map(({ message, code }) => String(message || code || "unknown fault"));
  return [...new Set(parts)].join(": ");
}

function chain(error: unknown): Fault[] {
  if (typeof error !== "object" || error === null) return [{ message: String(error) }];
  const { cause } = error as Fault;
  return cause === undefined ? [error] : [error, ...chain(cause)];
}
