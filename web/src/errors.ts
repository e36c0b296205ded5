// The error classes a caller can branch on. Each carries a stable `code`, the
// same string as in Go (package fault) and over HTTP; no message is ever parsed.

/** What crosses the worker boundary instead of an Error object. */
export interface WireError {
  code: string;
  message: string;
}

/** The parent of every error this package rejects with, except aborts, which reject with `signal.reason`. */
export class PastelError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Memory could not be had: the model, its cache or its scratch space is too large for this device. */
export class OutOfMemoryError extends PastelError {}
/** The browser refused more storage. What was stored before is intact. */
export class QuotaError extends PastelError {}
/** Bytes do not match their digest, and fetching them again did not help. */
export class HashError extends PastelError {}
/** The network or the server failed after several tries. */
export class NetError extends PastelError {}
/** The file breaks its format's rules. */
export class BadFileError extends PastelError {}
/** The file is well formed but holds something this engine does not run. */
export class UnsupportedError extends PastelError {}
/** The prompt and the answer do not fit in the context length. */
export class ContextError extends PastelError {}
/** The arguments make no sense. */
export class BadRequestError extends PastelError {}
/** An adapter does not fit its base model. */
export class LoraMismatchError extends PastelError {}
/** The user has not agreed to send this text to a server. */
export class ConsentError extends PastelError {}
/** The wasm instance trapped and was thrown away; `message` says what was lost. */
export class CrashError extends PastelError {}
/** The engine was closed while, or before, this was asked. */
export class ClosedError extends PastelError {}

type ErrorClass = new (code: string, message: string, options?: ErrorOptions) => PastelError;

const classes: Record<string, ErrorClass> = {
  ERR_OOM: OutOfMemoryError,
  ERR_QUOTA: QuotaError,
  ERR_HASH: HashError,
  ERR_NET: NetError,
  ERR_BAD_FILE: BadFileError,
  ERR_UNSUPPORTED_ARCH: UnsupportedError,
  ERR_UNSUPPORTED_TYPE: UnsupportedError,
  ERR_UNSUPPORTED_BROWSER: UnsupportedError,
  ERR_CONTEXT: ContextError,
  ERR_BAD_REQUEST: BadRequestError,
  ERR_LORA_MISMATCH: LoraMismatchError,
  ERR_CONSENT: ConsentError,
  ERR_CRASH: CrashError,
  ERR_CLOSED: ClosedError,
};

/** Makes the error whose class belongs to `code`; unknown codes become a plain PastelError. */
export function errorOf(code: string, message: string, cause?: unknown): Error {
  const options = cause === undefined ? undefined : { cause };
  if (code === "ERR_ABORTED") return new DOMException(message || "aborted", "AbortError");
  return new (classes[code] ?? PastelError)(code, message, options);
}

/** Turns anything thrown into `{code, message}` for the worker boundary. */
export function wireOf(err: unknown): WireError {
  if (err instanceof PastelError) return { code: err.code, message: err.message };
  if (isAbort(err)) return { code: "ERR_ABORTED", message: messageOf(err) };
  if (nameOf(err) === "QuotaExceededError") return { code: "ERR_QUOTA", message: messageOf(err) };
  return { code: "ERR_INTERNAL", message: messageOf(err) };
}

/** Reports whether err is an abort: a DOMException named AbortError, in any realm. */
export function isAbort(err: unknown): boolean {
  return nameOf(err) === "AbortError";
}

/** The `name` of anything thrown, "" when it has none. */
export function nameOf(err: unknown): string {
  return typeof err === "object" && err !== null && "name" in err ? String(err.name) : "";
}

/** The message of anything thrown. */
export function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
