/** Another worker: it asks for a trial of a study until it gets one. */

import { connect } from "./studies.js";

const [name] = process.argv.slice(2) as [string];
await connect().suggestTrial(name, { worker_id: "other", lease_seconds: 60 });
