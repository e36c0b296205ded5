// Where the time of a model's passes goes.

import { type Config, ask, decode, load, promptIDs, warmUp } from "./measure.js";
import type { Engine } from "../src/index.js";
import type { Ask, Mode, Report } from "./profile.worker.js";

/** Shares and milliseconds per pass. */
export interface Profile {
  /** Share of a decoded token's time, on the page's clock, outside the kernels. */
  readonly outsideKernels: number;
  readonly decode: Report;
  readonly prefill: Report;
  readonly prefillTokens: number;
}

/** Tells the worker how to time; answers what it has measured since it was last told. */
type Set = (mode: Mode, skip?: number) => Promise<Report>;

/** Runs body with the model in a worker that times its kernels. */
async function timed<T>(config: Config, body: (engine: Engine, set: Set) => Promise<T>): Promise<T> {
  const channel = new BroadcastChannel("pastel-profile");
  const set: Set = (mode, skip = 0) =>
    new Promise((resolve) => {
      channel.onmessage = ({ data }: MessageEvent<Report>) => resolve(data);
      channel.postMessage({ mode, skip } satisfies Ask);
    });
  const { engine } = await load(config, { workerUrl: new URL("./profile.worker.js", import.meta.url) });
  try {
    await warmUp(engine, config);
    return await body(engine, set);
  } finally {
    channel.close();
    engine.close();
  }
}

const median = (x: number[]) => x.sort((a, b) => a - b)[x.length >> 1]!;

/** Profiles decoding and prefill. */
export const profile = (config: Config): Promise<Profile> =>
  timed(config, async (engine, set) => {
    const outside: number[] = [];
    for (let i = 0; i < config.repeats; i++) {
      await set("pass", 1); // the prompt's pass is not a decoded token's
      const tokPS = await decode(engine, config.decode);
      const inside = await set("off");
      outside.push(1 - (inside.ms / inside.passes / 1000) * tokPS);
    }
    await set("op", 1);
    await decode(engine, config.decode);
    const decoded = await set("op");
    const prefillTokens = config.prompts[0] ?? 128;
    await engine.generate([ask(promptIDs(prefillTokens, engine.model!.vocabSize), 1)], undefined, () => undefined);
    const prefill = await set("off");
    return { outsideKernels: median(outside), decode: decoded, prefill, prefillTokens };
  });

/** What a decoded token takes under a format. */
export interface Constrained {
  /** Milliseconds on the page's clock. */
  readonly token: number;
  /** What is outside the kernels (mask, sampling, text, messages), over what is inside. */
  readonly outside: number;
}

/** Decodes under each format in turn; "" is no format. Medians of the repeats, the first of which is not counted. */
export const constrained = (config: Config, formats: readonly string[]): Promise<Constrained[]> =>
  timed(config, async (engine, set) => {
    const runs = formats.map(() => ({ token: [] as number[], outside: [] as number[] }));
    for (let i = 0; i <= config.repeats; i++) {
      for (const [f, format] of formats.entries()) {
        await set("pass", 1);
        const token = 1000 / (await decode(engine, config.decode, [], format));
        const { ms, passes } = await set("off");
        if (i === 0) continue;
        runs[f]!.token.push(token);
        runs[f]!.outside.push((token * passes) / ms - 1);
      }
    }
    return runs.map((r) => ({ token: median(r.token), outside: median(r.outside) }));
  });
