/**
 * Every message that crosses the boundary between engine.wasm and its host, in a
 * compact binary form. Its twin is the Go package wasm/protocol.
 *
 * A message is one version byte, one tag byte and its fields in the order they are
 * declared, little-endian: bool and u8 are 1 byte, u32, i32 and f32 are 4, f64 and
 * u53 (an integer below 2⁵³, so that JavaScript can hold it) are 8; a string is its
 * length in bytes as u32 and its UTF-8; a list is its count as u32 and its items.
 * Nothing is optional and nothing may follow the last field: both sides are built
 * together, and the version byte turns a stale cached module into a clear error.
 * To add a field, append it to both twins, raise version and run the tests of both
 * with -update; testdata/protocol holds the golden that both must agree on.
 *
 * This file must not know what any message makes the engine do.
 */

/** The first byte of every message. It changes with every change of format. */
export const version = 5;

/** Bytes that are not a message; its code is the one the Go twin gives them. */
export class ProtocolError extends Error {
  readonly code = "ERR_PROTOCOL";
}

/** How one field is written and read. */
interface Codec<T> {
  write(w: Writer, value: T): void;
  read(r: Reader): T;
  /** The fewest bytes a value occupies, which bounds the count of a list. */
  readonly minBytes: number;
}

/** Grows a buffer while a message is written into it. */
class Writer {
  bytes = new Uint8Array(256);
  view = new DataView(this.bytes.buffer);
  length = 0;

  /** Makes room for n bytes and returns where they start. */
  grow(n: number): number {
    const at = this.length;
    this.length += n;
    if (this.length > this.bytes.length) {
      const bigger = new Uint8Array(Math.max(this.length, 2 * this.bytes.length));
      bigger.set(this.bytes);
      this.bytes = bigger;
      this.view = new DataView(bigger.buffer);
    }
    return at;
  }
}

/** Walks a message's bytes. */
class Reader {
  readonly view: DataView;
  offset = 0;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  /** Steps over n bytes and returns where they start. */
  take(n: number): number {
    if (n > this.left) {
      throw new ProtocolError(`protocol: offset ${this.offset}: need ${n} bytes, have ${this.left}`);
    }
    const at = this.offset;
    this.offset += n;
    return at;
  }
}

const bool: Codec<boolean> = {
  minBytes: 1,
  write: (w, v) => {
    const at = w.grow(1); // first: growing makes another view
    w.view.setUint8(at, v ? 1 : 0);
  },
  read: (r) => {
    const v = r.view.getUint8(r.take(1));
    if (v > 1) throw new ProtocolError(`protocol: offset ${r.offset - 1}: bool is ${v}`);
    return v === 1;
  },
};

function number(
  minBytes: number,
  accepts: (v: number) => boolean,
  set: (view: DataView, at: number, v: number) => void,
  get: (view: DataView, at: number) => number,
): Codec<number> {
  return {
    minBytes,
    write: (w, v) => {
      if (!accepts(v)) throw new ProtocolError(`protocol: ${v} does not fit its field`);
      const at = w.grow(minBytes);
      set(w.view, at, v);
    },
    read: (r) => get(r.view, r.take(minBytes)),
  };
}

const anyNumber = (): boolean => true;

const u32 = number(
  4,
  (v) => v >>> 0 === v,
  (view, at, v) => view.setUint32(at, v, true),
  (view, at) => view.getUint32(at, true),
);

const i32 = number(
  4,
  (v) => (v | 0) === v,
  (view, at, v) => view.setInt32(at, v, true),
  (view, at) => view.getInt32(at, true),
);

const f32 = number(
  4,
  anyNumber,
  (view, at, v) => view.setFloat32(at, v, true),
  (view, at) => view.getFloat32(at, true),
);

const f64 = number(
  8,
  anyNumber,
  (view, at, v) => view.setFloat64(at, v, true),
  (view, at) => view.getFloat64(at, true),
);

const u53 = number(
  8,
  (v) => Number.isSafeInteger(v) && v >= 0,
  (view, at, v) => {
    view.setUint32(at, v % 2 ** 32, true);
    view.setUint32(at + 4, Math.floor(v / 2 ** 32), true);
  },
  (view, at) => {
    const v = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
    if (v > Number.MAX_SAFE_INTEGER) throw new ProtocolError(`protocol: ${v} is not below 2^53`);
    return v;
  },
);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const str: Codec<string> = {
  minBytes: 4,
  write: (w, v) => {
    const utf8 = encoder.encode(v);
    u32.write(w, utf8.length);
    const at = w.grow(utf8.length);
    w.bytes.set(utf8, at);
  },
  read: (r) => {
    const n = u32.read(r);
    const at = r.take(n);
    return decoder.decode(r.bytes.subarray(at, at + n));
  },
};

/** A string that is one of a closed set on the TypeScript side. */
function oneOf<const T extends string>(...names: readonly T[]): Codec<T> {
  return {
    minBytes: 4,
    write: str.write,
    read: (r) => {
      const v = str.read(r);
      const known = names.find((name) => name === v);
      if (known === undefined) throw new ProtocolError(`protocol: "${v}" is not one of ${names.join(", ")}`);
      return known;
    },
  };
}

/** Reads a list's count, refusing one whose items could not be in what is left. */
function readCount(r: Reader, minBytes: number): number {
  const n = u32.read(r);
  if (n * minBytes > r.left) {
    throw new ProtocolError(`protocol: ${n} items of at least ${minBytes} bytes, have ${r.left}`);
  }
  return n;
}

function list<T>(item: Codec<T>): Codec<T[]> {
  return {
    minBytes: 4,
    write: (w, v) => {
      u32.write(w, v.length);
      for (const x of v) item.write(w, x);
    },
    read: (r) => Array.from({ length: readCount(r, item.minBytes) }, () => item.read(r)),
  };
}

/** A list of float32 that may be a whole vocabulary long. */
const f32s: Codec<Float32Array> = {
  minBytes: 4,
  write: (w, v) => {
    u32.write(w, v.length);
    for (const x of v) f32.write(w, x);
  },
  read: (r) => {
    const n = readCount(r, 4);
    const at = r.take(4 * n);
    return Float32Array.from({ length: n }, (_, i) => r.view.getFloat32(at + 4 * i, true));
  },
};

/** A list of bytes, copied as a whole. */
const u8s: Codec<Uint8Array> = {
  minBytes: 4,
  write: (w, v) => {
    u32.write(w, v.length);
    const at = w.grow(v.length);
    w.bytes.set(v, at);
  },
  read: (r) => {
    const n = readCount(r, 1);
    const at = r.take(n);
    return r.bytes.slice(at, at + n);
  },
};

// A shape is an object of codecs, or of anything nested in it, in wire order.
type Shape = Readonly<Record<string, Codec<never>>>;
type Values<S> = { -readonly [K in keyof S]: S[K] extends Codec<infer T> ? T : never };

function struct<S extends Readonly<Record<string, Codec<unknown>>>>(shape: S): Codec<Values<S>>;
function struct(shape: Readonly<Record<string, Codec<unknown>>>): Codec<Record<string, unknown>> {
  const fields = Object.entries(shape);
  return {
    minBytes: fields.reduce((n, [, codec]) => n + codec.minBytes, 0),
    write: (w, v) => {
      for (const [name, codec] of fields) codec.write(w, v[name]);
    },
    read: (r) => Object.fromEntries(fields.map(([name, codec]) => [name, codec.read(r)])),
  };
}

/** A loaded adapter and how strongly it acts. */
const adapter = struct({ id: str, scale: f32 });

/** The names of cache types; "" is the engine's choice. */
const kvType = oneOf("", "F32", "F16", "Q8_0");

/** Requests: tag, and fields in wire order. The Go twin documents each. */
const requests = {
  open: [
    1,
    struct({
      kind: oneOf("model", "adapter", "pool", "header"),
      id: str,
      files: list(struct({ name: str, size: u53 })),
    }),
  ],
  finish: [2, struct({ digest: str })],
  discard: [3, struct({})],
  unload: [4, struct({ id: str })],
  info: [5, struct({})],
  stats: [6, struct({})],
  preflight: [7, struct({ contextLength: u32, kvType, readBytesPerS: f64, macsPerS: f64 })],
  tokenize: [10, struct({ text: str, addSpecial: bool, parseSpecial: bool })],
  detokenize: [11, struct({ tokens: list(u32), special: bool })],
  render: [12, struct({ messages: str, tools: str, variables: str, addGenerationPrompt: bool, chatML: bool })],
  embed: [13, struct({ session: u32, tokens: list(u32), layer: u32, last: bool })],
  openSession: [20, struct({ contextLength: u32, kvType, logitRows: u32 })],
  closeSession: [21, struct({ session: u32 })],
  truncate: [22, struct({ session: u32, length: u32 })],
  saveSession: [23, struct({ session: u32 })],
  restoreSession: [24, struct({ session: u32, adapters: list(adapter), snapshot: u8s })],
  generate: [
    30,
    struct({
      session: u32,
      prompt: str,
      tokens: list(u32),
      addSpecial: bool,
      parseSpecial: bool,
      maxTokens: u32,
      temperature: f32,
      topK: u32,
      topP: f32,
      minP: f32,
      seed: u53,
      stop: list(str),
      ignoreEOS: bool,
      adapters: list(adapter),
      logprobs: bool,
      topLogprobs: u32,
      typicalP: f32,
      repeatPenalty: f32,
      presencePenalty: f32,
      frequencyPenalty: f32,
      repeatLastN: i32,
      logitBias: list(struct({ token: u32, bias: f32 })),
      format: str,
      shiftContext: bool,
    }),
  ],
  abort: [31, struct({ session: u32 })],
  logits: [32, struct({ session: u32, tokens: list(u32), all: bool, adapters: list(adapter) })],
  customize: [
    40,
    struct({
      id: str,
      session: u32,
      samples: list(str),
      weights: list(f64),
      weighting: str,
      tau: f64,
      topK: u32,
      scoresOnly: bool,
      save: bool,
      labelled: list(struct({ prompt: str, answer: str })),
      maxEvals: u32,
      maxMs: f64,
      seed: u53,
    }),
  ],
  closePool: [41, struct({})],
  refine: [42, struct({ stop: bool })],
} as const;

/** Replies: tag, and fields in wire order. The Go twin documents each. */
const replies = {
  ok: [128, struct({})],
  error: [129, struct({ code: str, message: str })],
  modelInfo: [
    130,
    struct({
      name: str,
      architecture: str,
      format: str,
      nLayers: u32,
      dim: u32,
      vocabSize: u32,
      contextLength: u32,
      nParams: u53,
      weightBytes: u53,
      chatTemplate: str,
      bos: i32,
      eos: i32,
      addBOS: bool,
    }),
  ],
  adapterInfo: [131, struct({ id: str, rank: u32, nModules: u32, weightBytes: u53 })],
  statsReply: [132, struct({ memoryBytes: u53, heapBytes: u53, executor: str, threads: u32 })],
  tokens: [133, struct({ tokens: list(u32) })],
  text: [134, struct({ text: str })],
  sessionInfo: [135, struct({ session: u32, contextLength: u32, length: u32, kvBytes: u53 })],
  logitsReply: [136, struct({ nRows: u32, values: f32s })],
  embedding: [137, struct({ values: f32s })],
  snapshot: [138, struct({ snapshot: u8s })],
  estimate: [
    139,
    struct({
      weightBytes: u53,
      kvBytes: u53,
      workBytes: u53,
      totalBytes: u53,
      limitBytes: u53,
      fits: bool,
      contextLength: u32,
      macsPerToken: u53,
      bytesPerToken: u53,
      decodeTokS: f64,
      prefillTokS: f64,
    }),
  ],
  progress: [140, struct({ phase: oneOf("prefill"), done: u32, total: u32 })],
  chunk: [
    141,
    struct({ text: str, token: u32, logprob: f32, top: list(struct({ token: u32, text: str, logprob: f32 })) }),
  ],
  done: [
    142,
    struct({
      finishReason: oneOf("stop", "length", "abort"),
      text: str,
      promptTokens: u32,
      cachedTokens: u32,
      completionTokens: u32,
      prefillMs: f64,
      decodeMs: f64,
    }),
  ],
  poolInfo: [150, struct({ id: str, name: str, adapters: list(str), rank: u32, canBlend: bool, weightBytes: u53 })],
  customized: [
    151,
    struct({
      id: str,
      poolID: str,
      scores: list(f64),
      weights: list(f64),
      rank: u32,
      nModules: u32,
      weightBytes: u53,
      embedMs: f64,
      refineMs: f64,
      blendMs: f64,
      packMs: f64,
      startLoss: f64,
      loss: f64,
      evals: u32,
      file: u8s,
      searching: bool,
      layer: u32,
      last: bool,
      mean: f32s,
      samples: f32s,
    }),
  ],
} as const;

type Table = Readonly<Record<string, readonly [number, Codec<never>]>>;
type Union<T> = { [K in keyof T]: { type: K } & (T[K] extends readonly [number, Codec<infer V>] ? V : never) }[keyof T];

/** A message to the engine. */
export type Request = Union<typeof requests>;
/** A message from the engine. */
export type Reply = Union<typeof replies>;
/** Any message. */
export type Message = Request | Reply;
/** The message of one type: MessageOf<"generate">. */
export type MessageOf<T extends Message["type"]> = Extract<Message, { type: T }>;

const table = new Map<string, readonly [number, Codec<Record<string, unknown>>]>();
const byTag = new Map<number, string>();
for (const [name, [tag, codec]] of Object.entries({ ...requests, ...replies })) {
  table.set(name, [tag, codec as Codec<Record<string, unknown>>]);
  byTag.set(tag, name);
}

/**
 * Writes a message.
 *
 * @throws ProtocolError for a number that does not fit its field.
 */
export function encode(message: Message): Uint8Array {
  const entry = table.get(message.type);
  if (entry === undefined) throw new ProtocolError(`protocol: unknown type "${String(message.type)}"`);
  const w = new Writer();
  const at = w.grow(2);
  w.bytes[at] = version;
  w.bytes[at + 1] = entry[0];
  entry[1].write(w, message);
  return w.bytes.subarray(0, w.length);
}

/**
 * Reads one message that fills bytes exactly. The result shares nothing with bytes.
 *
 * @throws ProtocolError for a wrong version, an unknown tag, a count or a length
 * past the end, or bytes left over.
 */
export function decode(bytes: Uint8Array): Message {
  if (bytes.length < 2 || bytes[0] !== version) {
    throw new ProtocolError(
      `protocol: message version ${bytes[0] ?? "missing"}, this build speaks ${version} ` +
        "(engine.wasm and its host come from different builds)",
    );
  }
  const name = byTag.get(bytes[1] ?? 0);
  const entry = table.get(name ?? "");
  if (name === undefined || entry === undefined) throw new ProtocolError(`protocol: unknown tag ${bytes[1]}`);
  const r = new Reader(bytes);
  r.take(2);
  const message = { type: name, ...entry[1].read(r) };
  if (r.left > 0) throw new ProtocolError(`protocol: ${name}: ${r.left} bytes after the last field`);
  return message as Message;
}
