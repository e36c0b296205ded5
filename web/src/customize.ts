// engine.customize: from a few samples to an adapter of one's own.

import { BadRequestError } from "./errors.js";
import type { OnProgress } from "./download/progress.js";
import type { LoadRequest, Source } from "./messages.js";
import { adapterId, blendOnServer, type CustomAdapter, openPool, type PoolRef, saveAdapter, trim } from "./pools.js";
import type { Region } from "./offload/region.js";
import type { MessageOf } from "./protocol.js";

/** How scores become weights. */
export interface Weighting {
  kind: "softmax" | "topk_softmax" | "relu_norm" | "onehot" | "uniform";
  /** Temperature of the softmaxes; default 0.1. */
  tau?: number;
  /** How many topk_softmax keeps; default 2. */
  topK?: number;
}

/** How to improve weights on samples with the answers that are wanted. */
export interface RefineOptions {
  samples: readonly { prompt: string; answer: string }[];
  /** Most evaluations of the loss; default 64. */
  maxEvals?: number;
  /** No evaluation begins after this many milliseconds; default 10 000. */
  maxMs?: number;
  /** Equal seeds give equal searches; default 0. */
  seed?: number;
  /** Aborting ends the search after the evaluation under way; the best weights so far are used. */
  signal?: AbortSignal | undefined;
}

/** How to customise. */
export interface CustomizeOptions {
  /** The URL of a pool.json, or a pool on a server. */
  pool: PoolRef;
  /**
   * Where to blend. "device", the default, downloads the pool once and uploads nothing. "server" downloads the keys only,
   * uploads one similarity score per adapter, and downloads one adapter.
   */
  where?: "device" | "server";
  /** Default: what the pool was made for. */
  weighting?: Weighting;
  /** Weights instead of samples, one per adapter. */
  weights?: readonly number[];
  refine?: RefineOptions;
  /** Bytes of pools and adapters to keep on this device; the longest unused go first. Default 1 GiB. */
  budgetBytes?: number;
  onProgress?: OnProgress | undefined;
  /** Aborting rejects with the signal's reason, at the latest after the step under way. */
  signal?: AbortSignal | undefined;
}

/** The adapter that was made. */
export interface Customized extends CustomAdapter {
  /** Whether it is on this device to stay: listAdapters has it, and `lora` finds it after a reload. */
  stored: boolean;
  /** Mean negative log-likelihood per token of the answers, before and after, with refine. */
  loss?: { start: number; end: number; evals: number };
  /**
   * load: the pool, when it was not loaded yet. blend: from weights to an adapter that is ready, of which sum: adding up the pool's
   * factors. store: writing the file, after the adapter is ready. total: all but store.
   */
  ms: { load: number; embed: number; refine: number; blend: number; sum: number; total: number; store: number };
}

/** What customise needs of an engine whose turn it is. */
export interface Customizer {
  session: number;
  model: string;
  call(ask: MessageOf<"customize">, stop?: AbortSignal): Promise<MessageOf<"customized">>;
  unload(id: string): Promise<void>;
  load(request: LoadRequest): Promise<unknown>;
  /** Loads the pool unless it is loaded. */
  loadPool(key: string, request: LoadRequest): Promise<unknown>;
}

const trial = "pastel-refine"; // the name of the adapter that a search tries weights with

/** Runs one customisation and returns it with the source that the adapter can be loaded from again. */
export async function customize(
  engine: Customizer,
  samples: readonly string[],
  o: CustomizeOptions,
): Promise<{ made: Customized; source: Source }> {
  const begun = performance.now();
  check(samples, o);
  const onServer = o.where === "server";
  const pool = await openPool(o.pool, o.signal);
  const sources = onServer ? pool.sources.slice(0, 2) : pool.sources;
  await engine.loadPool(`${pool.id} ${sources.length}`, { kind: "pool", id: pool.id, sources });
  const load = performance.now() - begun;
  const ask = askOf(engine, samples, o);
  const weighed = await engine.call({ ...ask, scoresOnly: true, labelled: [] });
  o.signal?.throwIfAborted();
  const refined = ask.labelled.length > 0 ? await refine(engine, ask, weighed.weights, o.refine?.signal) : undefined;
  o.signal?.throwIfAborted();
  const weights = refined?.weights ?? weighed.weights;
  const id = await adapterId(pool.id, weights);
  const about: CustomAdapter = {
    id,
    poolId: pool.id,
    poolName: pool.name,
    adapters: pool.adapters,
    scores: weighed.scores,
    weights,
    model: engine.model,
    ...(weighed.samples.length > 0 && { region: regionOf(weighed) }),
  };
  const final = { ...ask, id, samples: [], labelled: [], weights };
  const blendBegun = performance.now();
  const made = onServer ? undefined : await engine.call(final);
  const file = onServer ? await blendOnServer(o.pool, weighed.scores, o.signal) : undefined;
  let source: Source | undefined;
  if (file !== undefined) {
    source = await keep(about, file);
    await engine.load({ kind: "adapter", id, sources: [source] });
  }
  const ready = performance.now();
  source ??= await keep(about, (await engine.call({ ...final, save: true })).file as Uint8Array<ArrayBuffer>);
  await trim(o.budgetBytes ?? 1 << 30, [...sources, ...(source.kind === "url" ? [source] : [])]);
  const ms = {
    load,
    embed: weighed.embedMs,
    refine: refined?.refineMs ?? 0,
    blend: ready - blendBegun,
    sum: made?.blendMs ?? 0,
    total: ready - begun,
    store: performance.now() - ready,
  };
  const loss = refined && { start: refined.startLoss, end: refined.loss, evals: refined.evals };
  return { made: { ...about, stored: source.kind === "url", ...(loss && { loss }), ms }, source };
}

function regionOf({ layer, last, mean, samples }: MessageOf<"customized">): Region {
  const rows = Array.from({ length: samples.length / mean.length }, (_, i) =>
    samples.slice(i * mean.length, (i + 1) * mean.length),
  );
  return { layer, pooling: last ? "last" : "mean", mean, samples: rows };
}

function check(samples: readonly string[], o: CustomizeOptions): void {
  const bad = (why: string) => new BadRequestError("ERR_BAD_REQUEST", `customize: ${why}`);
  if (!Array.isArray(samples) || samples.some((s) => typeof s !== "string" || s.trim() === ""))
    throw bad("samples must be texts that are not empty");
  if (samples.length === 0 && o.weights === undefined) throw bad("needs at least one sample, or weights");
  if (o.where === "server" && (o.weighting ?? o.weights ?? o.refine) !== undefined)
    throw bad("the server weighs by the pool's own rule: weighting, weights and refine need where: device");
}

function askOf(engine: Customizer, samples: readonly string[], o: CustomizeOptions): MessageOf<"customize"> {
  return {
    type: "customize",
    id: "",
    session: engine.session,
    samples: [...samples],
    weights: [...(o.weights ?? [])],
    weighting: o.weighting?.kind ?? "",
    tau: o.weighting?.tau ?? 0,
    topK: o.weighting?.topK ?? 0,
    scoresOnly: false,
    save: false,
    labelled: (o.refine?.samples ?? []).map(({ prompt, answer }) => ({ prompt, answer })),
    maxEvals: o.refine?.maxEvals ?? 0,
    maxMs: o.refine?.maxMs ?? 10_000,
    seed: o.refine?.seed ?? 0,
  };
}

async function refine(
  engine: Customizer,
  ask: MessageOf<"customize">,
  weights: number[],
  stop: AbortSignal | undefined,
): Promise<MessageOf<"customized">> {
  // A stop that is there already may reach the worker after a second evaluation has begun.
  const maxEvals = stop?.aborted ? 1 : ask.maxEvals;
  const refined = await engine.call({ ...ask, id: trial, samples: [], weights, maxEvals }, stop);
  await engine.unload(trial);
  return refined;
}

/** Stores the adapter, or keeps it in this page when the device will not take it. */
async function keep(about: CustomAdapter, file: Uint8Array<ArrayBuffer>): Promise<Source> {
  try {
    return await saveAdapter(about, file);
  } catch {
    return { kind: "blob", name: `${about.id}.gguf`, blob: new Blob([file]) };
  }
}
