// The bundled pool of adapters, and their blend as a GGUF adapter. Twin of Go package blend/pool for what one
// pool needs: the factor space and the softmax weighting (docs/pool-format.md). The package's own customisation
// replaces this file when it is exported.

import { BadFileError, type Engine } from "../../src/index.js";

interface Target {
  name: string;
  in: number;
  out: number;
  scale: number;
}

/** The keys of pool.json that are used here. */
interface Manifest {
  base: { architecture: string };
  embedding: { dim: number };
  blend: { space: string; weighting: string; tau: number };
  rank: number;
  targets: Target[];
  keys: { file: string };
  adapters: { file: string }[];
}

export class Pool {
  private constructor(
    readonly manifest: Manifest,
    /** The centre and one unit vector for each adapter: [1+n][dim]. */
    readonly keys: Float32Array,
    /** Factors in binary16: [n][rank·Σ(in+out)]. */
    readonly factors: Uint16Array[],
  ) {}

  /** Reads a pool that is part of this extension's package. */
  static async open(base: string): Promise<Pool> {
    const bytes = async (file: string) => await (await fetch(base + file)).arrayBuffer();
    const manifest = JSON.parse(new TextDecoder().decode(await bytes("pool.json"))) as Manifest;
    const { blend, adapters, keys } = manifest;
    if (blend.space !== "factor" || blend.weighting !== "softmax")
      throw new BadFileError("ERR_BAD_FILE", `pool: ${blend.space} with ${blend.weighting}, want factor with softmax`);
    const factors = await Promise.all(adapters.map(async (a) => new Uint16Array(await bytes(a.file))));
    return new Pool(manifest, new Float32Array(await bytes(keys.file)), factors);
  }

  /** One weight for each adapter, which sum to one. Shapes: query [dim]. */
  weights(query: Float32Array): number[] {
    const dim = query.length;
    const centred = query.map((v, i) => v - this.keys[i]!);
    const length = Math.hypot(...centred) || 1;
    const scores = this.factors.map((_, n) => {
      const key = this.keys.subarray((n + 1) * dim, (n + 2) * dim);
      return centred.reduce((sum, v, i) => sum + v * key[i]!, 0) / length;
    });
    const best = Math.max(...scores);
    const powers = scores.map((s) => Math.exp((s - best) / this.manifest.blend.tau));
    const total = powers.reduce((a, b) => a + b);
    return powers.map((p) => p / total);
  }
}

/** The mean of the samples' embeddings: each the mean of its tokens' first queries, without the start token. */
export async function embedding(engine: Engine, samples: string[]): Promise<Float32Array> {
  const start = await engine.embed("");
  const query = new Float32Array(start.sum.length);
  for (const sample of samples) {
    const { sum, tokens } = await engine.embed(sample);
    const n = Math.max(1, tokens - start.tokens);
    sum.forEach((v, i) => (query[i]! += (v - start.sum[i]!) / n / samples.length));
  }
  return query;
}

/** The blended adapter as a GGUF file. Factors of the same place are added up, weighted. */
export function blend({ manifest, factors }: Pool, weights: number[], arch: string): File {
  const { rank, targets } = manifest;
  const values = weightedSum(factors, weights);
  const tensors: Tensor[] = [];
  const slice = targets.reduce((n, t) => n + t.in + t.out, 0);
  let at = 0;
  for (const t of targets) {
    const a = new Float32Array(rank * t.in); // [rank, in]
    const b = new Float32Array(t.out * rank); // [out, rank]
    for (let k = 0; k < rank; k++) {
      const from = k * slice + at;
      a.set(values.subarray(from, from + t.in), k * t.in);
      for (let o = 0; o < t.out; o++) b[o * rank + k] = values[from + t.in + o]! * t.scale;
    }
    tensors.push({ name: `${t.name}.lora_a`, shape: [t.in, rank], values: a });
    tensors.push({ name: `${t.name}.lora_b`, shape: [rank, t.out], values: b });
    at += t.in + t.out;
  }
  return new File([gguf(arch, rank, tensors)], "style.gguf");
}

function weightedSum(factors: Uint16Array[], weights: number[]): Float32Array {
  const sum = new Float32Array(factors[0]!.length);
  factors.forEach((f, n) => f.forEach((half, i) => (sum[i]! += weights[n]! * fromHalf(half))));
  return sum;
}

// The pool's writer stores no infinities, NaNs and subnormals but zero.
function fromHalf(h: number): number {
  const exponent = (h >> 10) & 31;
  if (exponent === 0) return 0;
  return (h & 0x8000 ? -1 : 1) * (1 + (h & 1023) / 1024) * 2 ** (exponent - 15);
}

/** A tensor of float32; shape innermost first, as GGUF has it. */
interface Tensor {
  name: string;
  shape: [number, number];
  values: Float32Array;
}

// GGUF version 3, docs/gguf.md of ggml: header, metadata, tensor infos, padding to 32, data.
function gguf(arch: string, rank: number, tensors: Tensor[]): BlobPart {
  const w = new Writer();
  w.ascii("GGUF").u32(3).u64(tensors.length).u64(4);
  w.text("general.type").u32(8).text("adapter");
  w.text("general.architecture").u32(8).text(arch);
  w.text("adapter.type").u32(8).text("lora");
  w.text("adapter.lora.alpha").u32(6).f32(rank); // scaling alpha/rank is 1: scales are in B
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    w.text(name).u32(2).u64(shape[0]).u64(shape[1]).u32(0).u64(offset);
    offset += padded(values.byteLength);
  }
  for (const { values } of tensors) w.pad().bytes(new Uint8Array(values.slice().buffer));
  return w.pad().done();
}

const padded = (n: number): number => Math.ceil(n / 32) * 32;

/** Little-endian bytes. */
class Writer {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  #n = 0;

  bytes(b: Uint8Array<ArrayBuffer>): this {
    this.#parts.push(b);
    this.#n += b.length;
    return this;
  }
  ascii(s: string): this {
    return this.bytes(new TextEncoder().encode(s));
  }
  u32(v: number): this {
    return this.#view(4, (d) => d.setUint32(0, v, true));
  }
  u64(v: number): this {
    return this.#view(8, (d) => d.setBigUint64(0, BigInt(v), true));
  }
  f32(v: number): this {
    return this.#view(4, (d) => d.setFloat32(0, v, true));
  }
  text(s: string): this {
    return this.u64(new TextEncoder().encode(s).length).ascii(s);
  }
  pad(): this {
    return this.bytes(new Uint8Array(padded(this.#n) - this.#n));
  }
  done(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#n);
    let at = 0;
    for (const p of this.#parts) {
      all.set(p, at);
      at += p.length;
    }
    return all;
  }
  #view(n: number, set: (d: DataView) => void): this {
    const b = new Uint8Array(n);
    set(new DataView(b.buffer));
    return this.bytes(b);
  }
}
