/**
 * The third role of the worker script: downloads beside an engine (download/beside.ts).
 * It is the same script for the reason that helper.ts gives.
 */

import { download } from "./download/download.js";
import type { Progress } from "./download/progress.js";
import { type WireError, wireOf } from "./errors.js";
import type { UrlSource } from "./messages.js";
import type { Manifest } from "./storage/manifest.js";
import { release } from "./storage/buffers.js";
import { Store } from "./storage/store.js";

/** What the engine says. `id` names one download. */
export type ToDownloads =
  | { readonly download: "begin"; readonly id: number; readonly source: UrlSource }
  /** Somebody waits for chunk i: its bytes come with "stored". */
  | { readonly download: "want"; readonly id: number; readonly i: number }
  | { readonly download: "cancel"; readonly id: number }
  /** A buffer that came with "stored" is free again. */
  | { readonly download: "room"; readonly room: ArrayBuffer };

/** What it hears. Every download ends with "done" or "failed". */
export type FromDownloads = { readonly id: number } & (
  | { readonly type: "begin"; readonly manifest: Manifest }
  | { readonly type: "stored"; readonly i: number; readonly digest: string; readonly bytes?: Uint8Array<ArrayBuffer> }
  | { readonly type: "progress"; readonly progress: Progress }
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly error: WireError }
);

/** Whether a worker's message is for this role. */
export function isForDownloads(message: object): message is ToDownloads {
  return "download" in message;
}

/** Buffers that came back, a few. */
class Rooms {
  readonly #free: ArrayBuffer[] = [];
  push(room: ArrayBuffer): void {
    if (this.#free.length < 2) this.#free.push(room);
    else release(new Uint8Array(room));
  }

  /** One of this size, new if need be. */
  pop(size: number): ArrayBuffer {
    const at = this.#free.findIndex((room) => room.byteLength === size);
    return at < 0 ? new ArrayBuffer(size) : this.#free.splice(at, 1)[0]!;
  }
}

interface Running {
  readonly stop: AbortController;
  readonly wanted: Set<number>;
}

const running = new Map<number, Running>();
const rooms = new Rooms();
let store: Promise<Store> | undefined;

/** Takes one message. */
export function answer(message: ToDownloads): void {
  switch (message.download) {
    case "begin":
      return void run(message.id, message.source);
    case "want":
      return void running.get(message.id)?.wanted.add(message.i);
    case "cancel":
      return running.get(message.id)?.stop.abort();
    case "room":
      return rooms.push(message.room);
  }
}

async function run(id: number, { kind: _, name, headers, ...known }: UrlSource): Promise<void> {
  const { stop, wanted }: Running = { stop: new AbortController(), wanted: new Set() };
  running.set(id, { stop, wanted });
  let m: Manifest | undefined;
  const follower = {
    begin: (manifest: Manifest) => post({ id, type: "begin", manifest: (m = manifest) }),
    stored: (i: number, bytes: Uint8Array<ArrayBuffer>) => {
      const told = { id, type: "stored" as const, i, digest: m!.chunks[i]! };
      if (!wanted.delete(i)) return void post(told);
      const size = bytes.buffer.byteLength;
      post({ ...told, bytes }, [bytes.buffer]);
      return rooms.pop(size);
    },
  };
  const onProgress = (progress: Progress) => post({ id, type: "progress", progress });
  try {
    const kept = await (store ??= Store.open());
    const whole = await download(
      kept,
      { ...known, file: name },
      { signal: stop.signal, onProgress, headers, follower },
    );
    await kept.touch(whole);
    post({ id, type: "done" });
  } catch (thrown) {
    post({ id, type: "failed", error: wireOf(thrown) });
  } finally {
    running.delete(id);
  }
}

function post(message: FromDownloads, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}
