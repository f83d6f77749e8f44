/** Waiting that a signal ends. */

/** Call a function once when a signal is aborted, or at once; the result stops listening. */
export function onAbort(
  signal: AbortSignal | undefined,
  act: (reason: unknown) => void,
): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    act(signal.reason);
    return () => {};
  }
  const listener = () => act(signal.reason);
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

/** Wait for a time, or until one of the signals is aborted. */
export async function sleep(
  milliseconds: number,
  ...signals: (AbortSignal | undefined)[]
): Promise<void> {
  if (signals.some((signal) => signal?.aborted)) return;
  const stops: (() => void)[] = [];
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    stops.push(
      () => clearTimeout(timer),
      ...signals.map((signal) => onAbort(signal, () => resolve())),
    );
  });
  for (const stop of stops) stop();
}
