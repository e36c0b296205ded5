/**
 * Downloads in a worker of their own: the engine makes weights of what has arrived
 * meanwhile, and what a download leaves behind (copies that the browser hashed) ends
 * with it. downloads.ts is that worker's side.
 */

import type { FromDownloads, ToDownloads } from "../downloads.js";
import { errorOf, NetError } from "../errors.js";
import type { UrlSource } from "../messages.js";
import type { Manifest } from "../storage/manifest.js";
import type { OnProgress } from "./progress.js";

/** Hears of a download. Messages of one download come in order. */
export interface Listener {
  readonly onProgress: OnProgress;
  /** The file's manifest as it is; again when the file changed and is fetched anew. */
  begin(manifest: Manifest): void;
  /** Chunk i is stored under its digest. bytes, if somebody wanted them, are the listener's until given to `giveBack`. */
  stored(i: number, digest: string, bytes?: Uint8Array<ArrayBuffer>): void;
  done(): void;
  failed(why: unknown): void;
}

/** The worker while there are downloads, and who hears of them. */
let worker: Worker | undefined;
const listeners = new Map<number, Listener>();
let last = 0;

/** A download in the worker. */
export interface Beside {
  want(i: number): void;
  giveBack(bytes: Uint8Array<ArrayBuffer>): void;
  /** Ends it; the listener hears that it failed. */
  cancel(): void;
}

/** Begins a download and starts the worker for it, which ends with the last download. */
export function downloadBeside(source: UrlSource, listener: Listener): Beside {
  worker ??= start();
  const id = ++last;
  const to = worker;
  const send = (message: ToDownloads, move: Transferable[] = []) => to.postMessage(message, move);
  listeners.set(id, listener);
  send({ download: "begin", id, source });
  return {
    want: (i) => send({ download: "want", id, i }),
    giveBack: ({ buffer }) => send({ download: "room", room: buffer }, [buffer]),
    cancel: () => send({ download: "cancel", id }),
  };
}

function start(): Worker {
  const made = new Worker(self.location.href, { type: "module" });
  made.onmessage = ({ data }: MessageEvent<FromDownloads>) => hear(data);
  made.onerror = (event) => {
    event.preventDefault();
    const why = event.message || "its script could not be loaded";
    const all = [...listeners.values()];
    end();
    for (const listener of all) listener.failed(new NetError("ERR_NET", `download: the worker ended: ${why}`));
  };
  return made;
}

function end(): void {
  worker?.terminate();
  worker = undefined;
  listeners.clear();
}

function hear(message: FromDownloads): void {
  const listener = listeners.get(message.id);
  if (listener === undefined) return;
  if (message.type === "done" || message.type === "failed") {
    listeners.delete(message.id);
    if (listeners.size === 0) end();
  }
  switch (message.type) {
    case "begin":
      return listener.begin(message.manifest);
    case "stored":
      return listener.stored(message.i, message.digest, message.bytes);
    case "progress":
      return listener.onProgress(message.progress);
    case "done":
      return listener.done();
    case "failed":
      return listener.failed(errorOf(message.error.code, message.error.message));
  }
}
