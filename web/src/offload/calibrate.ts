// Thresholds for a share of queries that the server may answer, from queries
// nobody has graded: twin of Go's calibrate.go and threshold.go.

import { BadRequestError } from "../errors.js";
import type { Device } from "../offload.js";
import { type Policy, type Signals, type Threshold, below, sureness, tieBreak } from "./route.js";

/** A calibration query and what the device thinks of it. */
export interface Scored {
  query: string;
  signals: Signals;
}

/** Thresholds for a policy, and the share of the calibration queries that they send. */
export interface Calibration {
  scope: Threshold;
  confidence: Threshold;
  early: Threshold;
  usage: number;
}

/** Which signals the thresholds are for. */
export type Cuts = Pick<Policy, "scope_signal" | "confidence_signal">;

/**
 * Puts queries to the device, one after another, and yields what it thinks of each. Nothing is sent anywhere.
 * Rejects with the signal's reason, or the device's error.
 */
export async function* score(
  device: Device,
  queries: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<Scored, void, undefined> {
  for (const query of queries) {
    signal.throwIfAborted();
    const messages = [{ role: "user", content: query }];
    let signals = (await device.before?.(messages, signal)) ?? {};
    for await (const piece of device.answer(messages, signal)) signals = { ...signals, ...piece.signals };
    yield { query, signals };
  }
}

/**
 * Chooses thresholds that together send a share of queries like these, 0 to 1. What `scope` sends counts first, because it
 * costs no decode; where that alone is more than the share, scope is relaxed to it and confidence is off. The early
 * threshold gives up only drafts that would be given up in the end.
 * A higher budget never sends less. Throws BadRequestError for no queries, or queries without confidence.
 * Source: RouteLLM's quantile calibration, arXiv:2406.18665.
 */
export function calibrate(
  scored: readonly Scored[],
  budget: number,
  scope: Threshold = off,
  cuts: Cuts = {},
): Calibration {
  if (!(budget >= 0 && budget <= 1)) throw bad(`server budget ${budget} is not a share between 0 and 1`);
  if (scored.length === 0) throw bad("no calibration queries");
  const all = scored.map((s) => pointsOf(s, scope, cuts));
  const byScope = (p: Points): boolean => below(scope, p.scope.score, p.scope.tie);
  const used = all.filter(byScope).length / all.length;
  const made = { scope, confidence: off };
  if (used >= budget)
    made.scope = budgetCut(
      all.map((p) => p.scope),
      budget,
    );
  else {
    const rest = all.filter((p) => !byScope(p)).map((p) => p.confidence);
    made.confidence = budgetCut(rest, Math.min(1, ((budget - used) * all.length) / rest.length));
  }
  const sent = (p: Points): boolean =>
    below(made.scope, p.scope.score, p.scope.tie) || below(made.confidence, p.confidence.score, p.confidence.tie);
  return { ...made, early: earlyCut(all, sent), usage: all.filter(sent).length / all.length };
}

const off: Threshold = { on: false, score: 0, tie: 0 };

/** A score with its tie-break. */
interface Point {
  score: number;
  tie: number;
}

interface Points {
  scope: Point;
  confidence: Point;
  early: Point | undefined;
}

function pointsOf({ query, signals }: Scored, scope: Threshold, cuts: Cuts): Points {
  const tie = tieBreak(query);
  const inScope = signals[cuts.scope_signal ?? "scope"] ?? (scope.on ? undefined : 0);
  const sure = sureness(signals, cuts.confidence_signal);
  const { early } = signals;
  for (const [name, v] of Object.entries({ scope: inScope, confidence: sure, early: early ?? 0 }))
    if (v === undefined || !Number.isFinite(v))
      throw bad(`calibration query ${JSON.stringify(query)}: ${name} is ${v}`);
  return {
    scope: { score: inScope!, tie },
    confidence: { score: sure!, tie },
    early: early === undefined ? undefined : { score: early, tie },
  };
}

/** The cut with the share rho of the points below it. */
function budgetCut(points: readonly Point[], rho: number): Threshold {
  const sorted = points.toSorted(compare);
  return cut(sorted, boundary(sorted, Math.round(rho * sorted.length)));
}

/** The highest cut on early that gives up no draft which is kept in the end. */
function earlyCut(all: readonly Points[], sent: (p: Points) => boolean): Threshold {
  const known = all.filter((p): p is Points & { early: Point } => p.early !== undefined);
  const sorted = known.map((p) => p.early).sort(compare);
  const kept = known.filter((p) => !sent(p)).map((p) => sorted.findIndex((q) => compare(q, p.early) >= 0));
  return cut(sorted, Math.min(sorted.length, ...kept));
}

/** The threshold with exactly k of the sorted points below it. */
function cut(sorted: readonly Point[], k: number): Threshold {
  if (k === 0) return off;
  if (k === sorted.length) return { on: true, score: Number.MAX_VALUE, tie: 1 };
  return { on: true, score: sorted[k]!.score, tie: sorted[k]!.tie };
}

/** The boundary nearest to k: the same query twice cannot be separated. */
function boundary(sorted: readonly Point[], k: number): number {
  const together = (i: number): boolean => i > 0 && i < sorted.length && compare(sorted[i - 1]!, sorted[i]!) === 0;
  let [low, high] = [k, k];
  while (together(low)) low--;
  while (together(high)) high++;
  return k - low <= high - k ? low : high;
}

function compare(a: Point, b: Point): number {
  return a.score - b.score || a.tie - b.tie;
}

function bad(why: string): BadRequestError {
  return new BadRequestError("ERR_BAD_REQUEST", `offload: ${why}`);
}
