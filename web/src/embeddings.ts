// engine.embeddings: what texts are about, as vectors.

import { type RequestOptions, modelName } from "./answers.js";
import type { Engine } from "./engine.js";
import type { EmbeddingParams, EmbeddingResponse } from "./openai.js";

/** engine.embeddings */
export class Embeddings {
  readonly #engine: Engine;
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * One vector of length 1 per input: the mean over its tokens of the first layer's queries, no special tokens among them.
   * Vectors of one model have a large part in common: subtract their mean before comparing topics.
   * Source: Bang et al. 2024, arXiv:2406.07007, section 3.2. Good for telling topics apart, and nearly free.
   * Rejects with BadRequestError for an empty text or a layer that is not there.
   */
  async create(params: EmbeddingParams, options: RequestOptions = {}): Promise<EmbeddingResponse> {
    const inputs = typeof params.input === "string" ? [params.input] : params.input;
    const data: EmbeddingResponse["data"] = [];
    let nTokens = 0;
    for (const [index, input] of inputs.entries()) {
      const { values, tokens } = await this.#engine.embed(input, params, options.signal);
      const length = params.normalize === false ? 1 : Math.hypot(...values) || 1;
      data.push({ object: "embedding", index, embedding: Array.from(values, (v) => v / length) });
      nTokens += tokens;
    }
    return {
      object: "list",
      model: modelName(this.#engine),
      data,
      usage: { prompt_tokens: nTokens, total_tokens: nTokens },
    };
  }
}
