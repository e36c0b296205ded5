// What records add up to. Twin of eval/report.go and eval/interval.go.

import type { EvalRecord } from "./tasks.js";

/** One question set's outcome; in hybrid mode that of device and server together. */
export interface Row {
  readonly set: string;
  readonly n: number;
  readonly right: number;
  /** The 95% interval of the accuracy. */
  readonly low: number;
  readonly high: number;
  /** Of sets of texts. */
  readonly perplexity?: number;
  /** The share sent to the server. */
  readonly usage: number;
  readonly seconds: number;
}

/** Wilson's 95% interval of right out of n. */
export function wilson(right: number, n: number): [low: number, high: number] {
  if (n === 0) return [0, 1];
  const z = 1.959963984540054;
  const p = right / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/** Sums records up by set, and in all at the end when there are several sets. */
export function rowsOf(records: readonly EvalRecord[], threshold: number): Row[] {
  const bySet = new Map<string, EvalRecord[]>();
  for (const r of records) bySet.set(r.set, [...(bySet.get(r.set) ?? []), r]);
  const rows = [...bySet].map(([set, list]) => rowOf(set, list, threshold));
  return bySet.size > 1 ? [...rows, rowOf("all", records, threshold)] : rows;
}

/** Whether a record's question goes to the server: the device is less sure than the threshold. */
const routed = (r: EvalRecord, threshold: number) => r.server !== undefined && r.device.confidence < threshold;

function rowOf(set: string, records: readonly EvalRecord[], threshold: number): Row {
  const graded = records.filter((r) => r.kind !== "perplexity");
  const texts = records.filter((r) => r.kind === "perplexity");
  const sent = graded.filter((r) => routed(r, threshold));
  const right = graded.filter((r) => (routed(r, threshold) ? r.server! : r.device).right).length;
  const tokens = texts.reduce((sum, r) => sum + (r.device.tokens ?? 0), 0);
  const nll = texts.reduce((sum, r) => sum + (r.device.nll ?? 0), 0);
  const [low, high] = wilson(right, graded.length);
  const seconds =
    records.reduce((sum, r) => sum + r.seconds, 0) + sent.reduce((sum, r) => sum + (r.server_seconds ?? 0), 0);
  const usage = graded.length > 0 ? sent.length / graded.length : 0;
  return {
    set,
    n: graded.length,
    right,
    low,
    high,
    usage,
    seconds,
    ...(tokens > 0 && { perplexity: Math.exp(nll / tokens) }),
  };
}

/**
 * The confidence below which the share `budget` of the records goes to the server; no answer is looked at.
 * Equal confidences go together, so the share may be missed by as many.
 */
export function thresholdFor(records: readonly EvalRecord[], budget: number): number {
  const sorted = records
    .filter((r) => r.server !== undefined)
    .map((r) => r.device.confidence)
    .sort((a, b) => a - b);
  return sorted[Math.round(budget * sorted.length)] ?? Infinity;
}
