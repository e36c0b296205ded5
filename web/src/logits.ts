// Probabilities of the tokens that may come next, from their logits.

/** The logarithm of the i-th token's probability. Shapes: logits [vocab], one row. */
export function logSoftmax(logits: Float32Array, i: number): number {
  return logits[i]! - logSumExp(logits);
}

/** What has to be taken from each logit of a row. */
export function logSumExp(logits: Float32Array): number {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(logits.reduce((a, b) => a + Math.exp(b - top), 0));
}
