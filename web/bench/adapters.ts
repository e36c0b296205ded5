// What adapters cost: loading, decoding with one, and making one from samples.

import { type Config, decode, load, warmUp } from "./measure.js";

/** Milliseconds; one number per repeat. */
export interface Measured {
  readonly loadMs: number[];
  /** Tokens a second without an adapter, with one, and with a blended one. */
  readonly decode: [none: number, alone: number, blended: number][];
  readonly poolMs: number;
  readonly embedMs: number[];
  readonly sumMs: number[];
  readonly blendMs: number[];
  readonly totalMs: number[];
}

/** Ten requests as people type them, 8 to 16 words each. */
const samples = [
  "can you tell me how much money is left in my checking account",
  "please move two hundred dollars from savings to checking before friday",
  "why was there a charge of thirty dollars on my card yesterday",
  "i would like to dispute the payment to the garage last week",
  "what is the interest rate on the loan that i have with you",
  "freeze my credit card because i think somebody took it on the train",
  "how do i order new checks for my account and what do they cost",
  "when is my next payment due and how much do i have to pay",
  "raise the limit of my card for the holiday to five thousand dollars",
  "did my salary arrive this morning or does it take another day",
];

/** Measures with alone.gguf and pool.json below a base URL. */
export async function measureAdapters(config: Config, base: string): Promise<Measured> {
  const { engine } = await load(config);
  const at = (name: string) => new URL(base + name, document.baseURI).href;
  const measured: Measured = { loadMs: [], decode: [], poolMs: 0, embedMs: [], sumMs: [], blendMs: [], totalMs: [] };
  try {
    await warmUp(engine, config);
    await engine.loadAdapter("alone", at("alone.gguf")); // downloads and stores it
    const { ms: first } = await engine.customize(samples, { pool: at("pool.json") });
    for (let i = 0; i < config.repeats; i++) {
      const begun = performance.now();
      await engine.loadAdapter("alone", at("alone.gguf"));
      measured.loadMs.push(performance.now() - begun);
      const { id, ms } = await engine.customize(samples, { pool: at("pool.json") });
      measured.embedMs.push(ms.embed);
      measured.sumMs.push(ms.sum);
      measured.blendMs.push(ms.blend);
      measured.totalMs.push(ms.total);
      const none = await decode(engine, config.decode);
      const alone = await decode(engine, config.decode, [{ id: "alone", scale: 1 }]);
      const blended = await decode(engine, config.decode, [{ id, scale: 1 }]);
      measured.decode.push([none, alone, blended]);
    }
    return { ...measured, poolMs: first.load };
  } finally {
    engine.close();
  }
}
