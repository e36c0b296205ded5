// What a server budget means: thresholds and accuracies by budget. Made by package offload (demo_test.go) from a
// planted task: half of the queries set the thresholds, the other half grade them.

import { offload } from "../src/index.js";
import table from "./calibration.json";

/** One budget. */
export interface Budget {
  /** Share of queries that the server answered, 0..1. */
  usage: number;
  /** Share of right answers, 0..1: by confidence, and with the best possible choice of queries. */
  accuracy: number;
  oracle: number;
  threshold: offload.Threshold;
}

/** Budgets in equal steps from 0 (device only) to 1 (server only). */
export const budgets: readonly Budget[] = table;

/** The calibrated budget nearest to a share of queries, 0..1. */
export function budgetFor(share: number): Budget {
  return budgets[Math.round(share * (budgets.length - 1))]!;
}

/** The accuracy of sending this share of queries at random. */
export function randomAt(usage: number): number {
  const first = budgets[0]!.accuracy;
  return first + (budgets.at(-1)!.accuracy - first) * usage;
}
