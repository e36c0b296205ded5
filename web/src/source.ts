/** Turns what a page names into bytes that can be read at any offset. */

import { download, healChunk } from "./download/download.js";
import type { OnProgress } from "./download/progress.js";
import type { Source, UrlSource } from "./messages.js";
import { Store } from "./storage/store.js";
import { BlobFile, type ByteSource, VerifiedFile } from "./storage/verified.js";

/** The store of this worker, opened with the first file that needs it. */
let store: Promise<Store> | undefined;

/**
 * Opens a source: a file of the page's as it is, anything else from the store, after
 * downloading what is missing of it.
 *
 * @throws NetError, QuotaError, HashError, or the signal's reason.
 */
export async function openSource(source: Source, signal: AbortSignal, onProgress: OnProgress): Promise<ByteSource> {
  if (source.kind === "blob") return new BlobFile(source.blob);
  return openStored(await (store ??= Store.open()), source, signal, onProgress);
}

async function openStored(
  store: Store,
  source: UrlSource,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<ByteSource> {
  const { kind: _, name, headers, ...known } = source;
  const manifest = await download(store, { ...known, file: name }, { signal, onProgress, headers });
  await store.save({ ...manifest, used: Date.now() }).catch(() => undefined); // only the order of a list depends on it
  return new VerifiedFile(store, manifest, (m, i) => healChunk(store, m, i, { signal, headers }));
}
