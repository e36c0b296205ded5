// An engine as a Model. Twin of eval/host.go.

import type { Engine } from "../src/index.js";
import { logSoftmax } from "../src/logits.js";
import type { Model } from "./grade.js";

/** Asks an engine with adapters that it has loaded. */
export function engineModel(engine: Engine, adapters: { id: string; scale: number }[], contextLength: number): Model {
  const tokenize = (text: string) => engine.tokenize(text, { addSpecial: true });
  return {
    async logProbs(prompt, continuation) {
      let ids = await tokenize(prompt + continuation);
      // The first token has nothing before it.
      let start = prompt === "" ? 1 : Math.max(1, commonPrefix(ids, await tokenize(prompt)));
      const over = Math.max(0, ids.length - contextLength); // of longer texts the end is kept
      ids = ids.slice(over);
      start = Math.max(1, start - over);
      if (start >= ids.length) return [];
      const n = ids.length - start;
      const values = await engine.logits(ids.slice(0, -1), n > 1, adapters);
      const width = engine.model!.vocabSize;
      const rows = values.subarray(values.length - n * width);
      return Array.from({ length: n }, (_, i) =>
        logSoftmax(rows.subarray(i * width, (i + 1) * width), ids[start + i]!),
      );
    },
    async complete(prompt, maxTokens, stops) {
      const { choices } = await engine.completions.create({
        prompt,
        max_tokens: maxTokens,
        temperature: 0,
        stop: stops,
        logprobs: 0,
        lora: adapters,
      });
      return { text: choices[0]!.text, logs: choices[0]!.logprobs?.token_logprobs ?? [] };
    },
  };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}
