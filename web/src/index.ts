// pastel-llm: language models in the page. This file lists what the package exports; engine.ts is the place to start reading.

export type { RequestOptions } from "./answers.js";
export type { Customized, CustomizeOptions, RefineOptions, Weighting } from "./customize.js";
export type { OnProgress, Phase, Progress } from "./download/progress.js";
export type { HubOptions, HubRef, ModelRef, Source } from "./download/resolve.js";
export {
  type AdapterInfo,
  type CreateOptions,
  Engine,
  type EngineStats,
  type LoadOptions,
  type ModelInfo,
} from "./engine.js";
export {
  BadFileError,
  BadRequestError,
  ClosedError,
  ConsentError,
  ContextError,
  CrashError,
  HashError,
  LoraMismatchError,
  NetError,
  OutOfMemoryError,
  PastelError,
  QuotaError,
  UnsupportedError,
} from "./errors.js";
export {
  languageModel,
  type LanguageModelCreateOptions,
  type LanguageModelLike,
  type LanguageModelMessage,
  type LanguageModelPrompt,
  type LanguageModelPromptOptions,
  LanguageModelSession,
} from "./languagemodel.js";
export type { EngineState } from "./messages.js";
export {
  type Availability,
  availability,
  clearModels,
  deleteModel,
  listModels,
  persist,
  storageEstimate,
  type StorageEstimate,
  type StoredModel,
} from "./models.js";
/** Answers from a server when the device's are not enough, with consent: new offload.Hybrid(…). */
export * as offload from "./offload.js";
export type * from "./openai.js";
export {
  type CustomAdapter,
  deleteAdapter,
  listAdapters,
  type PoolFiles,
  type PoolRef,
  type PoolServer,
} from "./pools.js";
export {
  type AnsweringEngine,
  Breaker,
  type Consent,
  ConsentLedger,
  type ConsentStorage,
  type Cost,
  type Decision,
  decide,
  type Device,
  type DeviceOptions,
  engineDevice,
  type Extent,
  Hybrid,
  type HybridEvent,
  type HybridOptions,
  type Label,
  type Mode,
  type Policy,
  type Reason,
  type Region,
  type ServerOptions,
  type Signals,
  type Threshold,
  type Turn,
} from "./offload.js";
