// Where the time of a model's passes goes.

import { type Config, ask, decode, load, promptIDs, warmUp } from "./measure.js";
import type { Ask, Mode, Report } from "./profile.worker.js";

/** Shares and milliseconds per pass. */
export interface Profile {
  /** Share of a decoded token's time, on the page's clock, outside the kernels. */
  readonly outsideKernels: number;
  readonly decode: Report;
  readonly prefill: Report;
  readonly prefillTokens: number;
}

/** Runs the model in a worker that times its kernels. */
export async function profile(config: Config): Promise<Profile> {
  const channel = new BroadcastChannel("pastel-profile");
  const set = (mode: Mode, skip = 0): Promise<Report> =>
    new Promise((resolve) => {
      channel.onmessage = ({ data }: MessageEvent<Report>) => resolve(data);
      channel.postMessage({ mode, skip } satisfies Ask);
    });
  const { engine } = await load(config, { workerUrl: new URL("./profile.worker.js", import.meta.url) });
  try {
    await warmUp(engine, config);
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
    outside.sort((a, b) => a - b);
    return { outsideKernels: outside[outside.length >> 1]!, decode: decoded, prefill, prefillTokens };
  } finally {
    channel.close();
    engine.close();
  }
}
