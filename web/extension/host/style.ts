// "Teach it my style": a personal adapter from the user's samples, by blending a pool of trained adapters.

import { type Engine, UnsupportedError } from "../../src/index.js";
import type { Style } from "../messages.js";
import { blend, embedding, Pool } from "./pool.js";

/**
 * Makes the personal adapter. Rejects with UnsupportedError for a model without a pool; the bundled model has one.
 */
export async function teach(engine: Engine, model: string, samples: string[]): Promise<Style & { adapter: File }> {
  if (model !== "") {
    throw new UnsupportedError(
      "ERR_UNSUPPORTED_TYPE",
      "there is no pool of adapters for this model, so it cannot be taught",
    );
  }
  const began = performance.now();
  const pool = await Pool.open(chrome.runtime.getURL("pool/"));
  const weights = pool.weights(await embedding(engine, samples));
  const adapter = blend(pool, weights, pool.manifest.base.architecture);
  return { samples: samples.length, tookMs: performance.now() - began, weights: [...weights], model, adapter };
}
