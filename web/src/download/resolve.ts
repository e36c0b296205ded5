// From what a caller writes to something that can be fetched: a plain URL, the
// hub's owner/repo:quant shorthand, or a manifest entry with its own digests.

import { BadRequestError, NetError, messageOf } from "../errors.js";
import { isSha256 } from "../storage/digest.js";

/** A file that can be fetched, with whatever is known of it beforehand. */
export interface Source {
  url: string;
  /** The file's name, for people. */
  file: string;
  /** Bytes, if known. */
  size?: number;
  /** Hex SHA-256 of the whole file, if published. */
  sha256?: string;
  /** Hex SHA-256 of each chunk of chunkBytes bytes, if published. */
  chunks?: string[];
  chunkBytes?: number;
  /** Files that are counted and removed together. */
  group?: string;
}

/** A file on a hub that serves `{host}/{repo}/resolve/{revision}/{file}`. */
export interface HubRef {
  /** "owner/name". */
  repo: string;
  /** The file; or leave it out and say which quantisation. */
  file?: string;
  /** A quantisation's name as it occurs in file names, such as "Q4_0". */
  quant?: string;
  /** Branch, tag or commit. Default "main"; pin a commit for reproducible answers. */
  revision?: string;
}

/**
 * What names a model: a URL; the shorthand `owner/repo`, `owner/repo:quant` or
 * `owner/repo:quant@revision`; a HubRef; a Source with digests; or a File or
 * Blob the user picked.
 */
export type ModelRef = string | URL | HubRef | Source | Blob;

/** Where the hub is and how to ask it. */
export interface HubOptions {
  /** Origin of the hub. Default "https://huggingface.co". */
  remoteHost?: string;
  /** Sent as a bearer token to remoteHost only. */
  token?: string;
}

export const defaultHost = "https://huggingface.co";

// Smallest first among those that lose little; the first that exists is taken when the caller names none.
const preferred = ["Q4_0", "Q4_K_M", "Q8_0", "Q5_K_M", "F16", "BF16", "F32"];

// A name with .gguf at its end is a relative URL: no repository is called so.
const shorthand = /^(\w[\w.-]*\/\w[\w.-]*?)(?<!\.gguf)(?::([\w.-]+))?(?:@([\w./-]+))?$/;

/** Finds out what to fetch for ref. Rejects with BadRequestError or NetError. */
export async function resolveModel(
  ref: Exclude<ModelRef, Blob>,
  hub: HubOptions,
  base: string,
  signal?: AbortSignal,
): Promise<Source> {
  const host = (hub.remoteHost ?? defaultHost).replace(/\/+$/, "");
  if (typeof ref === "object" && "repo" in ref) return await resolveHub(ref, host, hub.token, signal);
  if (typeof ref === "object" && !(ref instanceof URL)) return { ...ref, url: absolute(ref.url, base) };
  const text = String(ref);
  const short = shorthand.exec(text);
  if (short) return await resolveHub(hubRef(short), host, hub.token, signal);
  const url = absolute(text, base);
  const onHub = hubUrl(url, host);
  if (onHub) return await resolveHub(onHub, host, hub.token, signal);
  return { url, file: fileName(url) };
}

function hubRef(match: RegExpExecArray): HubRef {
  const [, repo = "", quant, revision] = match;
  return { repo, ...(quant && { quant }), ...(revision && { revision }) };
}

function absolute(url: string, base: string): string {
  try {
    return new URL(url, base).href;
  } catch (err) {
    throw new BadRequestError("ERR_BAD_REQUEST", `model: "${url}" is neither a URL nor owner/repo:quant`, {
      cause: err,
    });
  }
}

/** Takes `{host}/{repo}/resolve/{revision}/{file}` apart, so that the hub can be asked for the file's digest. */
function hubUrl(url: string, host: string): HubRef | undefined {
  if (!url.startsWith(host + "/")) return undefined;
  const m = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(new URL(url).pathname);
  return m ? { repo: m[1]!, revision: decodeURIComponent(m[2]!), file: decodeURIComponent(m[3]!) } : undefined;
}

function fileName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.split("/").pop() ?? "") || "model.gguf";
}

/** One file of a hub's listing: GET {host}/api/models/{repo}/tree/{revision}. */
interface TreeEntry {
  path: string;
  size: number;
  sha256?: string;
}

async function resolveHub(ref: HubRef, host: string, token: string | undefined, signal?: AbortSignal): Promise<Source> {
  const revision = ref.revision ?? "main";
  const tree = await listTree(host, ref.repo, revision, token, signal);
  const entry = choose(tree, ref);
  const path = entry.path.split("/").map(encodeURIComponent).join("/");
  const url = `${host}/${ref.repo}/resolve/${encodeURIComponent(revision)}/${path}`;
  return { url, file: entry.path, size: entry.size, ...(entry.sha256 && { sha256: entry.sha256 }) };
}

async function listTree(
  host: string,
  repo: string,
  revision: string,
  token?: string,
  signal?: AbortSignal,
): Promise<TreeEntry[]> {
  const url = `${host}/api/models/${repo}/tree/${encodeURIComponent(revision)}?recursive=true`;
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  let body: unknown;
  try {
    const response = await fetch(url, { headers, signal: signal ?? null });
    if (!response.ok) throw new NetError("ERR_NET", `hub: ${url}: status ${response.status}`);
    body = await response.json();
  } catch (err) {
    signal?.throwIfAborted();
    if (err instanceof NetError) throw err;
    throw new NetError("ERR_NET", `hub: ${url}: ${messageOf(err)}`, { cause: err });
  }
  return Array.isArray(body) ? body.flatMap(treeEntry) : [];
}

// The listing comes from outside: keep what has the right shape and drop the rest.
function treeEntry(value: unknown): TreeEntry[] {
  if (typeof value !== "object" || value === null) return [];
  const { type, path, size, lfs } = value as Record<string, unknown>;
  if (type !== "file" || typeof path !== "string" || typeof size !== "number") return [];
  const oid = typeof lfs === "object" && lfs !== null ? String((lfs as Record<string, unknown>)["oid"]) : "";
  return [{ path, size, ...(isSha256(oid) && { sha256: oid }) }];
}

function choose(tree: TreeEntry[], ref: HubRef): TreeEntry {
  if (ref.file !== undefined) {
    const entry = tree.find((e) => e.path === ref.file);
    if (entry) return entry;
    throw new BadRequestError("ERR_BAD_REQUEST", `hub: ${ref.repo} has no file ${ref.file}`);
  }
  const models = tree.filter((e) => e.path.endsWith(".gguf") && !/mmproj/i.test(e.path));
  const quants = ref.quant === undefined ? preferred : [ref.quant];
  for (const quant of quants) {
    const found = models.find((e) => hasQuant(e.path, quant));
    if (found && /-00001-of-\d{5}\.gguf$/.test(found.path)) {
      throw new BadRequestError(
        "ERR_BAD_REQUEST",
        `hub: ${ref.repo}: ${found.path} is split into parts; name an unsplit file`,
      );
    }
    if (found) return found;
  }
  const names = models.map((e) => e.path).join(", ") || "no .gguf files";
  throw new BadRequestError(
    "ERR_BAD_REQUEST",
    `hub: ${ref.repo} has no file for ${quants.join(" or ")}; it has ${names}`,
  );
}

// "Q4_K" must not find Q4_K_M: the name ends at something that is no word character.
function hasQuant(path: string, quant: string): boolean {
  const escaped = quant.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(^|[^a-z0-9])${escaped}([^a-z0-9_]|$)`, "i").test(path);
}
