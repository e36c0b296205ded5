// Pools of adapters and what was made from them, as the device keeps them: pools
// as downloads, adapters as files of our own, all under one budget.

import { download, type DownloadOptions } from "./download/download.js";
import { StatusError } from "./download/range.js";
import { BadFileError, BadRequestError, errorOf, HashError, NetError } from "./errors.js";
import type { UrlSource } from "./messages.js";
import type { Region } from "./offload/region.js";
import { chunkBytes, type Manifest, newManifest, storedBytes } from "./storage/manifest.js";
import { checkSignature, publicKeyOf, signatureBytes } from "./signature.js";
import { sha256 } from "./storage/digest.js";
import { Store } from "./storage/store.js";

/** A pool whose files lie side by side: the URL of its pool.json. */
export interface PoolFiles {
  url: string | URL;
  /** Bytes of pool.json, for servers that do not say: an extension's own files have none that does. */
  size?: number;
  /** SHA-256 of pool.json. Anything else is refused then; without it, the copy on this device is used as long as there is one. */
  id?: string;
  /** Ed25519 public key, 64 hex digits. Only a pool.json whose pool.json.sig is a signature by it is used. */
  publicKey?: string;
}

/** A pool on a Pastel server, which serves its files and blends it. */
export interface PoolServer {
  /** Up to and including /v1. */
  server: string;
  /** The pool's name there. */
  name: string;
  id?: string;
  /** As of PoolFiles. What the server blends is not covered: it is not of the pool's files. */
  publicKey?: string;
  /** A short-lived bearer token. */
  token?: () => string | Promise<string>;
}

/** What names a pool. */
export type PoolRef = string | URL | PoolFiles | PoolServer;

/** An adapter that was made on this device, or for it. */
export interface CustomAdapter {
  /** Its name in `lora: [{ id, scale }]`. */
  id: string;
  poolId: string;
  poolName: string;
  /** The pool's adapters, and for each how near the samples were and how much of it went in. */
  adapters: string[];
  scores: number[];
  weights: number[];
  /** Name of the model it belongs to. */
  model: string;
  /** Where the samples lie, for engineDevice: what is far from them is out of scope. Absent when weights were given. */
  region?: Region;
}

/** A pool's manifest and where its files are. */
export interface OpenPool {
  id: string;
  name: string;
  adapters: string[];
  /** Manifest, keys, adapters. */
  sources: UrlSource[];
}

interface PoolFile {
  file: string;
  bytes: number;
  sha256: string;
}

/** The members of pool.json that downloads need; the engine checks all of it. */
interface PoolJson {
  name: string;
  keys: PoolFile;
  rank: number;
  adapters: (PoolFile & { name: string; slices: string[] })[];
}

/** Slices of ranks from this size are fetched one by one; of smaller ones, requests would cost more than bytes. */
const leastSlice = 256 << 10;

/** Fetches a pool's manifest, or takes it from the device. */
export async function openPool(ref: PoolRef, signal?: AbortSignal): Promise<OpenPool> {
  const { url, filesUrl, size, id: want, publicKey, headers } = await placeOf(ref);
  const group = `pool:${url}`;
  const source: UrlSource = {
    kind: "url",
    name: "pool.json",
    url,
    group,
    ...(want && { sha256: want }),
    ...(size !== undefined && { size }),
    ...(headers && { headers }),
  };
  const text = await withStore(async (store) => {
    const m = await download(store, { ...source, file: "pool.json" }, { signal, headers });
    const text = await readStored(store, m);
    if (publicKey !== undefined) {
      const name = "pool.json.sig";
      const beside = { ...source, file: name, name, url: new URL(name, filesUrl).href, size: signatureBytes };
      await checkSigned(store, m, text, beside, publicKey, { signal, headers });
    }
    return text;
  });
  const json = parsePool(text);
  const at = ({ file, bytes, sha256 }: PoolFile, slices?: string[]): UrlSource => ({
    kind: "url",
    name: file,
    url: new URL(file, filesUrl).href,
    size: bytes,
    sha256,
    group,
    ...(slices && bytes / slices.length >= leastSlice && { chunks: slices, chunkBytes: bytes / slices.length }),
    ...(headers && { headers }),
  });
  return {
    id: await sha256(text),
    name: json.name,
    adapters: json.adapters.map((a) => a.name),
    sources: [source, at(json.keys), ...json.adapters.map((a) => at(a, a.slices))],
  };
}

/** Rejects unless the manifest is signed with the key. What was refused is fetched again the next time. */
async function checkSigned(
  store: Store,
  manifest: Manifest,
  text: Uint8Array<ArrayBuffer>,
  { sha256: _, ...beside }: UrlSource & { file: string },
  publicKey: string,
  options: DownloadOptions,
): Promise<void> {
  const key = await publicKeyOf(publicKey);
  const m = await download(store, beside, options).catch((err: unknown) => {
    if (!(err instanceof StatusError && err.status === 404)) throw err;
    throw new HashError("ERR_HASH", `pool: ${beside.url}: the page demands a signature and there is none`);
  });
  try {
    await checkSignature(key, await readStored(store, m), text);
  } catch (err) {
    await store.delete(m.id);
    await store.delete(manifest.id);
    throw err;
  }
}

async function placeOf(ref: PoolRef): Promise<{
  url: string;
  filesUrl: string;
  size?: number | undefined;
  id?: string | undefined;
  publicKey?: string | undefined;
  headers?: Record<string, string>;
}> {
  const absolute = (url: string | URL) => new URL(url, document.baseURI).href;
  if (typeof ref === "string" || ref instanceof URL) return { url: absolute(ref), filesUrl: absolute(ref) };
  const { id, publicKey } = ref;
  if ("url" in ref) return { url: absolute(ref.url), filesUrl: absolute(ref.url), size: ref.size, id, publicKey };
  const url = poolUrl(ref);
  return { url, filesUrl: `${url}/files/`, id, publicKey, headers: await authorization(ref) };
}

function poolUrl({ server, name }: PoolServer): string {
  return new URL(`${server.replace(/\/+$/, "")}/pools/${encodeURIComponent(name)}`, document.baseURI).href;
}

async function authorization({ token }: PoolServer): Promise<Record<string, string>> {
  return token ? { authorization: `Bearer ${await token()}` } : {};
}

function parsePool(bytes: Uint8Array): PoolJson {
  const bad = (why: string) => new BadFileError("ERR_BAD_FILE", `pool.json: ${why}`);
  let json: PoolJson;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes)) as PoolJson;
  } catch (cause) {
    throw bad(`no JSON: ${String(cause)}`);
  }
  const isFile = (f: PoolFile) =>
    /^[A-Za-z0-9_-][\w.-]*$/.test(f?.file) && Number.isSafeInteger(f.bytes) && typeof f.sha256 === "string";
  const isAdapter = (a: PoolJson["adapters"][0]) =>
    isFile(a) && Array.isArray(a.slices) && a.slices.length > 0 && Number.isInteger(a.bytes / a.slices.length);
  if (!Array.isArray(json?.adapters) || !json.adapters.every(isAdapter) || !isFile(json.keys)) {
    throw bad("is not a pool's manifest");
  }
  return json;
}

/**
 * Asks a server for the adapter of some scores. The request's body is the scores and nothing else; its path names the pool.
 * Rejects with NetError, or PastelError with the server's code.
 */
export async function blendOnServer(
  ref: PoolRef,
  scores: readonly number[],
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof ref === "string" || ref instanceof URL || "url" in ref)
    throw new BadRequestError("ERR_BAD_REQUEST", "customize: only a pool on a server is blended there");
  const headers = { "content-type": "application/json", ...(await authorization(ref)) };
  const response = await fetch(`${poolUrl(ref)}/blend`, {
    method: "POST",
    headers,
    body: JSON.stringify({ scores }),
    signal: signal ?? null,
    credentials: "omit",
    referrerPolicy: "no-referrer",
    redirect: "error",
    cache: "no-store",
  }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw new NetError("ERR_NET", "customize: the server could not be reached", { cause });
  });
  if (response.ok) return new Uint8Array(await response.arrayBuffer());
  const body = (await response.json().catch(() => undefined)) as { error?: { code?: string; message?: string } };
  throw errorOf(body?.error?.code ?? "ERR_NET", body?.error?.message ?? `customize: status ${response.status}`);
}

/** The name of the adapter that some weights make of a pool. */
export async function adapterId(poolId: string, weights: readonly number[]): Promise<string> {
  const digest = await sha256(new Uint8Array(Float64Array.from(weights).buffer));
  return `custom-${poolId.slice(0, 16)}-${digest.slice(0, 16)}`;
}

// A file of our own has an address that no server answers at.
const adapterUrl = (id: string) => `https://adapters.pastel.invalid/${encodeURIComponent(id)}.gguf`;

/** Where the engine reads a stored adapter from. */
function adapterSource(id: string): UrlSource {
  return { kind: "url", name: `${id}.gguf`, url: adapterUrl(id), group: `adapter:${id}` };
}

/** Stores an adapter's file. Rejects with QuotaError. */
export async function saveAdapter(about: CustomAdapter, file: Uint8Array<ArrayBuffer>): Promise<UrlSource> {
  const source = adapterSource(about.id);
  const { name, url, group } = source;
  await withStore(async (store) => {
    const of = { id: url, file: name, url, size: file.length, chunkBytes, etag: "", group: group!, about };
    const m = newManifest({ ...of, sha256: await sha256(file) });
    for (let i = 0; i < m.chunks.length; i++) {
      m.chunks[i] = await store.putChunk(file.slice(i * chunkBytes, (i + 1) * chunkBytes));
    }
    await store.save({ ...m, complete: true });
  });
  return source;
}

/** The source of a stored adapter, undefined when it is not on this device. */
export async function findAdapter(id: string): Promise<UrlSource | undefined> {
  return await withStore(async (store) =>
    (await store.manifests.get(adapterUrl(id)))?.complete ? adapterSource(id) : undefined,
  );
}

/** The adapters that were made on this device, the most recently used first. Delete one with deleteAdapter. */
export async function listAdapters(): Promise<CustomAdapter[]> {
  return await withStore(async (store) => {
    const all = (await store.manifests.all()).filter((m) => m.complete).sort((a, b) => b.used - a.used);
    return all.flatMap((m) => (m.about ? [m.about] : []));
  });
}

/** Removes an adapter from this device; missing ones are fine. */
export async function deleteAdapter(id: string): Promise<void> {
  await withStore((store) => store.delete(adapterUrl(id)));
}

/** Removes pools and adapters, the longest unused first, until the rest fits the budget. Those in `keep` stay. */
export async function trim(budgetBytes: number, keep: readonly UrlSource[]): Promise<void> {
  const kept = new Set(keep.map((s) => s.group));
  await withStore(async (store) => {
    const groups = Map.groupBy(
      (await store.manifests.all()).filter((m) => m.group !== undefined),
      (m) => m.group!,
    );
    const bytes = (of: Manifest[]) => of.reduce((n, m) => n + storedBytes(m), 0);
    const used = (of: Manifest[]) => Math.max(...of.map((m) => m.used));
    let total = [...groups.values()].reduce((n, g) => n + bytes(g), 0);
    for (const [group, files] of [...groups].sort(([, a], [, b]) => used(a) - used(b))) {
      if (total <= budgetBytes) break;
      if (kept.has(group)) continue;
      for (const m of files) await store.delete(m.id);
      total -= bytes(files);
    }
  });
}

/** A small file of the store's, whole. */
async function readStored(store: Store, m: Manifest): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(m.size);
  if (m.chunks.length === 1 && (await store.blobs.read(m.chunks[0]!, bytes)) === m.size) {
    if ((await sha256(bytes)) === m.chunks[0]) return bytes;
  }
  await store.delete(m.id); // the next attempt fetches it again
  throw errorOf("ERR_HASH", `${m.file}: damaged in storage`);
}

async function withStore<T>(body: (store: Store) => Promise<T>): Promise<T> {
  const store = await Store.open();
  try {
    return await body(store);
  } finally {
    store.close();
  }
}
