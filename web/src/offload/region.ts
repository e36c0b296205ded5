// Where a customisation lies in the space of query embeddings, and whether a query
// is near it: twin of Go's region.go.

import type { Signals, Threshold } from "./route.js";

/** Made by engine.customize. Plain data, for the page to keep; it is never sent. */
export interface Region {
  /** The recipe of the embeddings: whose layer's queries, of all tokens or of the last. */
  layer: number;
  pooling: "mean" | "last";
  /** Mean embedding of the texts the pool was trained on; none subtracts nothing. [dim] */
  mean: ArrayLike<number>;
  /** The samples' embeddings, not centred. [samples][dim] */
  samples: readonly ArrayLike<number>[];
}

type Vector = readonly number[];

/** Scope and nearest of a query embedded by the region's recipe, not centred; nothing without samples. */
export function scopeOf(query: ArrayLike<number>, region: Region): Signals {
  if (region.samples.length === 0) return {};
  const q = Array.from(query);
  const samples = region.samples.map((s) => Array.from(s));
  const distances = samples.map((s) => Math.hypot(...q.map((x, i) => x - s[i]!)));
  return { scope: cosine(centred(q, region), centred(mean(samples), region)), nearest: -Math.min(...distances) };
}

/** The scope threshold that keeps what is as near as 95% of the samples are to each other; off below two samples. */
export function scopeThreshold(region: Region): Threshold {
  const points = region.samples.map((s) => centred(Array.from(s), region));
  if (points.length < 2) return { on: false, score: 0, tie: 0 };
  const sum = mean(points).map((x) => x * points.length);
  const others = (p: Vector): Vector => p.map((x, i) => (sum[i]! - x) / (points.length - 1));
  const scores = points.map((p) => cosine(p, others(p))).sort((a, b) => a - b);
  return { on: true, score: scores[Math.floor(0.05 * scores.length)]!, tie: 0 };
}

function centred(v: Vector, { mean }: Region): Vector {
  return mean.length === 0 ? v : v.map((x, i) => x - mean[i]!);
}

function mean(points: readonly Vector[]): Vector {
  return points[0]!.map((_, i) => points.reduce((sum, p) => sum + p[i]!, 0) / points.length);
}

/** 0 where either has no direction. */
function cosine(a: Vector, b: Vector): number {
  const dot = (x: Vector, y: Vector): number => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
  const c = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return Number.isNaN(c) ? 0 : Math.max(-1, Math.min(1, c));
}
