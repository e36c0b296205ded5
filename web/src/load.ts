/** Sends the files of a model or an adapter into the engine. */

import type { OnProgress } from "./download/progress.js";
import type { LoadRequest } from "./messages.js";
import type { EngineModule } from "./module.js";
import type { Reply } from "./protocol.js";
import type { ByteSource } from "./storage/verified.js";

/** How much is read at a time: past the size where a call's cost shows, small beside any model. */
const pieceBytes = 4 << 20;

/**
 * Streams sources into the module and returns what was loaded. Of every file that is
 * whole, reports 0 and the full size, and each piece between; of one that is arriving
 * the same once it is whole.
 *
 * @throws the engine's error, the source's, or the signal's reason; the engine has
 * then thrown the half-loaded stream away.
 */
export async function loadInto(
  module: EngineModule,
  request: LoadRequest,
  sources: readonly ByteSource[],
  signal: AbortSignal,
  progress: OnProgress,
): Promise<Reply> {
  const files = sources.map(({ file, size }) => ({ name: file, size }));
  module.ask({ type: "open", kind: request.kind, id: request.id, files });
  try {
    await sendAll(module, sources, signal, progress);
    signal.throwIfAborted();
    return module.ask({ type: "finish", digest: digestOf(sources) });
  } catch (thrown) {
    if (!module.isDead) module.call({ type: "discard" });
    throw thrown;
  }
}

/** The digests of all files, or "" when one is unknown. */
function digestOf(sources: readonly ByteSource[]): string {
  const all = sources.map((s) => s.sha256 ?? "");
  return all.includes("") ? "" : all.join(" ");
}

/** Where sending one file stands. leftover are bytes read but not taken. */
interface Sending {
  readonly index: number;
  readonly source: ByteSource;
  sent: number;
  leftover: Uint8Array;
  /** Bytes in the last report; -1 before the first. */
  reported: number;
}

/**
 * Sends every file twice around: the first time, all but the last shard stop being
 * taken where their header ends.
 */
async function sendAll(
  module: EngineModule,
  sources: readonly ByteSource[],
  signal: AbortSignal,
  progress: OnProgress,
): Promise<void> {
  const all = sources.map((source, index): Sending => ({
    index,
    source,
    sent: 0,
    leftover: new Uint8Array(),
    reported: -1,
  }));
  for (const s of all) report(s, progress);
  for (const s of [...all, ...all]) await sendFile(module, s, signal, progress);
  for (const s of all) {
    await s.source.whole;
    if (s.reported < s.sent) report(s, progress);
  }
}

// A download has the word until it is done: phases follow one another.
function report(s: Sending, progress: OnProgress): void {
  if (!s.source.isWhole) return;
  const { file, size } = s.source;
  const at = (loaded: number) =>
    progress({ phase: "load", file, loaded, total: size, ratio: size === 0 ? 1 : loaded / size });
  if (s.reported < 0) at(0);
  if (s.sent > 0) at(s.sent);
  s.reported = s.sent;
}

/** Sends a file from where it stopped until its end, or until it is not taken. */
async function sendFile(module: EngineModule, s: Sending, signal: AbortSignal, progress: OnProgress): Promise<void> {
  while (s.sent < s.source.size) {
    signal.throwIfAborted();
    const n = s.leftover.length || Math.min(pieceBytes, s.source.size - s.sent);
    const buffer = module.reserve(n);
    if (s.leftover.length > 0) buffer.set(s.leftover);
    else await s.source.read(s.sent, buffer);
    const taken = module.write(s.index, n);
    s.sent += taken;
    s.leftover = taken < n ? buffer.slice(taken) : new Uint8Array();
    report(s, progress);
    if (taken < n) return;
  }
}
