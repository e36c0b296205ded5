/**
 * The messages between a page and the engine worker. What they carry to and from the
 * engine itself is protocol.ts; these add what a worker needs: where the module and
 * the weights are, which request a reply belongs to, and what happened to the module.
 */

import type { Progress } from "./download/progress.js";
import type { MessageOf, Reply, Request } from "./protocol.js";

/** Where the modules are, and how to run them. */
export interface EngineOptions {
  /** URL of engine.wasm. */
  readonly engineUrl: string;
  /** URLs of the kernels, by flavour; relaxed is taken where the browser has relaxed SIMD. */
  readonly kernelUrls: { readonly simd128: string; readonly relaxed: string };
  /** Threads in all; one without cross-origin isolation. 0 is one for each core the browser reports, at most 8. */
  readonly threads: number;
}

/** How the engine came to run, and why not faster. */
export interface EngineState {
  readonly flavour: "simd128" | "relaxed";
  readonly threads: number;
  /** Why there is only one thread; absent when there are more. */
  readonly singleThreadReason?: string;
  /** Milliseconds from the first fetch to a module that answers. */
  readonly startMs: number;
}

/** A file to download into the store, unless it is there, with what is known of it beforehand (see download/resolve.ts). */
export interface UrlSource {
  readonly kind: "url";
  readonly name: string;
  readonly url: string;
  readonly size?: number;
  readonly sha256?: string;
  readonly chunks?: string[];
  readonly chunkBytes?: number;
  /** Files of one pool: counted and removed together. */
  readonly group?: string;
  /** Sent with the requests for it. */
  readonly headers?: Record<string, string>;
}

/** One file of a model or an adapter, in the order of its shards. */
export type Source = UrlSource | { readonly kind: "blob"; readonly name: string; readonly blob: Blob };

/** What is being loaded. */
export interface LoadRequest {
  readonly kind: "model" | "adapter" | "pool";
  /** The adapter's name in requests, the digest of a pool's manifest, empty for a model. */
  readonly id: string;
  readonly sources: readonly Source[];
}

/** Page to worker. Every `id` is the page's own number for the request. */
export type ToWorker =
  | { readonly type: "start"; readonly id: number; readonly options: EngineOptions }
  | { readonly type: "load"; readonly id: number; readonly load: LoadRequest }
  | { readonly type: "call"; readonly id: number; readonly request: Exclude<Request, MessageOf<"generate">> }
  | { readonly type: "generate"; readonly id: number; readonly request: MessageOf<"generate"> }
  | { readonly type: "cancel"; readonly id: number };

/** Worker to page. */
export type FromWorker =
  | { readonly type: "started"; readonly id: number; readonly state: EngineState }
  /** The last message for its id. An error is a reply of type "error". */
  | { readonly type: "reply"; readonly id: number; readonly reply: Reply }
  /** A chunk of text or a step of prefill; "done" comes as the reply. */
  | { readonly type: "event"; readonly id: number; readonly event: MessageOf<"chunk"> | MessageOf<"progress"> }
  | { readonly type: "progress"; readonly id: number; readonly progress: Progress }
  /** The module trapped and was replaced: model, adapters and sessions are gone. */
  | { readonly type: "restarted"; readonly reason: string };
