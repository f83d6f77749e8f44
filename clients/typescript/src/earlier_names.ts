/** Names of an earlier TypeScript client of this API, so that its users change an import only. */

import type * as api from "./openapi.gen.js";

export { ApiError as TunerClientError } from "./errors.js";

export type SearchSpaceParameter = api.ParameterRequest;
export type SamplerType = api.SamplerEnum;
export type PrunerType = api.PrunerEnum;
export type Direction = "maximize" | "minimize";
export type StudyResponse = api.Study;
export type TrialSuggestion = api.Offer;
export type TrialCompleteRequest = api.CompleteRequest;
export type TrialResponse = api.Trial;
export type BestParamsResponse = api.Best;
export type ParamImportance = api.Importance;
export type ParetoTrialResponse = api.ParetoTrial;
export type HealthResponse = api.Health;
