// The last step of a download: the whole file against its published digest.

import { HashError } from "../errors.js";
import { RunningSha256 } from "../storage/digest.js";
import { type Manifest, chunkRange } from "../storage/manifest.js";
import type { Store } from "../storage/store.js";
import { type DownloadOptions, healChunk } from "./download.js";
import { ProgressCounter } from "./progress.js";

/** Checks m against its published digest, if there is one. A wrong file is forgotten; rejects with HashError. */
export async function verifyWhole(store: Store, m: Manifest, options: DownloadOptions): Promise<void> {
  if (m.sha256 === "") return;
  const counter = new ProgressCounter("verify", m.file, m.size, options.onProgress);
  const running = new RunningSha256();
  const buffer = new Uint8Array(m.chunkBytes);
  for (let i = 0; i < m.chunks.length; i++) {
    options.signal?.throwIfAborted();
    const [start, end] = chunkRange(m, i);
    const bytes = buffer.subarray(0, end - start);
    const n = await store.blobs.read(m.chunks[i]!, bytes);
    if (n < bytes.length) bytes.set(await healChunk(store, m, i, options));
    running.update(bytes);
    counter.add(bytes.length);
  }
  const got = running.finish();
  if (got !== m.sha256) {
    await store.manifests.delete(m.id);
    throw new HashError("ERR_HASH", `${m.file}: digest ${got}, published is ${m.sha256}`);
  }
  counter.finish();
}
