/** The client: settings, the operations of the API, and studies to work on. */

import { variable } from "./environment.js";
import type { Backoff } from "./http/retries.js";
import { Transport } from "./http/transport.js";
import { apiUrl } from "./http/urls.js";
import { EventOperations } from "./operations/events.js";
import { StudyWorker } from "./worker/study.js";

export interface TunerClientOptions {
  /** Where the service is, with or without `/api/v1`. Default: `TUNER_URL`, else this machine's port 8000. */
  baseUrl?: string;
  /** Sent with each request. Default: `TUNER_TOKEN`. */
  token?: string;
  /** Milliseconds that an attempt of a request may take. Default: one minute. */
  timeout?: number;
  /** Milliseconds after which no further attempt is made. Default: 15 minutes. */
  deadline?: number;
  /** The pauses between attempts. */
  backoff?: Backoff;
  /** Called with a line when a request has to be sent again. Default: `console.warn`. */
  warn?: (message: string) => void;
}

const MINUTE = 60_000;

export class TunerClient extends EventOperations {
  constructor(options: TunerClientOptions = {}) {
    super(
      new Transport({
        url: apiUrl(options.baseUrl ?? variable("TUNER_URL") ?? "http://127.0.0.1:8000"),
        token: options.token ?? variable("TUNER_TOKEN"),
        timeout: options.timeout ?? MINUTE,
        deadline: options.deadline ?? 15 * MINUTE,
        backoff: options.backoff ?? { base: 500, cap: 30_000 },
        warn: options.warn ?? ((message) => console.warn(`tuner: ${message}`)),
      }),
    );
  }

  /** Return a study to work on; it need not exist before it is asked for trials. */
  study(name: string): StudyWorker {
    return new StudyWorker(this.transport, name);
  }
}
