// The page of the boundary's tests: the protocol's twin, and the worker's messages as
// they are, without the public API.

import type { FromWorker, ToWorker } from "../src/messages.js";
import { decode, encode, type Message } from "../src/protocol.js";

/** Plain JSON of any message: keys sorted, typed arrays as arrays. */
function plain(value: unknown): unknown {
  if (value instanceof Float32Array || value instanceof Uint8Array || Array.isArray(value))
    return Array.from(value, plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, plain(v)]),
  );
}

/** Compares the golden's bytes with its description, both ways; returns what differs. */
async function golden(): Promise<string[]> {
  const bytes = new Uint8Array(await (await fetch("/golden.bin")).arrayBuffer());
  const want = (await (await fetch("/golden.json")).json()) as (Message & { values?: number[] })[];
  const wrong: string[] = [];
  let at = 0;
  for (const message of want) {
    const n = new DataView(bytes.buffer).getUint32(at, true);
    const part = bytes.subarray(at + 4, at + 4 + n);
    at += 4 + n;
    const got = JSON.stringify(plain(decode(part)));
    const described = JSON.stringify(plain(message));
    if (got !== described) wrong.push(`decode: ${got}, want ${described}`);
    if (String(encode(message)) !== String(part))
      wrong.push(`encode of ${described}: ${encode(message)}, want ${part}`);
    for (let cut = 0; cut < n; cut++)
      if (!refuses(part.subarray(0, cut))) wrong.push(`${described} cut to ${cut} bytes is decoded`);
  }
  if (at !== bytes.length) wrong.push(`${bytes.length - at} bytes after the last message`);
  return wrong;
}

/** Writes messages of every length, so that each of the buffer's sizes ends in each field; returns the lengths that fail. */
function lengths(): string[] {
  const wrong: string[] = [];
  for (let n = 0; n < 1100; n++) {
    const message: Message = { type: "tokenize", text: "x".repeat(n), addSpecial: true, parseSpecial: true };
    try {
      if (JSON.stringify(decode(encode(message))) !== JSON.stringify(message)) wrong.push(`${n}: another message`);
    } catch (thrown) {
      wrong.push(`${n}: ${String(thrown)}`);
    }
  }
  return wrong;
}

function refuses(bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return false;
  } catch (thrown) {
    return (thrown as { code?: unknown }).code === "ERR_PROTOCOL";
  }
}

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map<number, (message: FromWorker) => void>();
const events: FromWorker[] = [];
worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
  events.push(data);
  if (data.type === "reply" || data.type === "started") waiting.get(data.id)?.(data);
};
let last = 0;

type Body = ToWorker extends infer T ? (T extends { id: number } ? Omit<T, "id"> : never) : never;

/** Sends a message and resolves with the last one for it. */
function ask(body: Body): Promise<unknown> {
  const id = ++last;
  return new Promise((resolve) => {
    waiting.set(id, (message) => resolve(plain(message)));
    worker.postMessage({ ...body, id });
  });
}

async function start(threads: number): Promise<unknown> {
  const url = (name: string) => new URL(name, location.href).href;
  return ask({
    type: "start",
    options: {
      engineUrl: url("engine.wasm"),
      kernelUrls: { simd128: url("kernels-simd128.wasm"), relaxed: url("kernels-relaxed.wasm") },
      threads,
    },
  });
}

async function load(path: string): Promise<unknown> {
  const blob = await (await fetch(path)).blob();
  return ask({ type: "load", load: { kind: "model", id: "", sources: [{ kind: "blob", name: path, blob }] } });
}

Object.assign(window, { golden, lengths, ask, start, load, plain, events });
