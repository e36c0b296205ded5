/** The helper workers that run the kernels on the engine's memory beside it. */

import { numbers } from "./memory.js";
import type { EngineModule } from "./module.js";

/** What a helper is started with. */
export interface HelperStart {
  readonly kernels: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Address of the block where threads meet (kernels/control.go). */
  readonly control: number;
}

/** What a helper says: that it is about to join, or why it ended. */
export type FromHelper = { readonly type: "ready" } | { readonly type: "failed"; readonly message: string };

/** The word of the control block that tells others a helper died, and its value. */
const controlState = 32;
const stateFailed = 2;

/** How long a start waits for helpers, so that it can say why there are none. They usually take a tenth of it. */
const graceMs = 250;

/** The helpers of one instance. */
export class Helpers {
  private constructor(
    private readonly workers: readonly Worker[],
    private readonly start?: HelperStart,
  ) {}

  /**
   * Starts threads-1 helpers and resolves when all are about to join, at the latest after
   * graceMs. One that comes later (a slow network) joins between two passes; one that
   * does not come at all is not waited for.
   *
   * @throws Error when one cannot start and that is known in time; none is left running then.
   */
  static async start(module: EngineModule, kernels: WebAssembly.Module, threads: number): Promise<Helpers> {
    if (threads < 2) return new Helpers([]);
    const start: HelperStart = { kernels, memory: module.memory, control: module.control(threads) };
    const workers = Array.from({ length: threads - 1 }, () => new Worker(self.location.href, { type: "module" }));
    const helpers = new Helpers(workers, start);
    const joining = Promise.all(workers.map((worker) => ready(worker, start)));
    try {
      await Promise.race([joining, new Promise((resolve) => setTimeout(resolve, graceMs))]);
    } catch (thrown) {
      helpers.stop();
      throw thrown;
    }
    return helpers;
  }

  /** Whether one died while others waited for it. */
  get failed(): boolean {
    const { start } = this;
    return start !== undefined && numbers(start.memory).getInt32(start.control + controlState, true) === stateFailed;
  }

  /** Ends the helpers, whatever they are doing. The instance they help must not run again. */
  stop(): void {
    for (const worker of this.workers) worker.terminate();
  }
}

/** Starts one helper. If it dies once it has joined, whoever waits for it traps instead of waiting for ever. */
function ready(worker: Worker, start: HelperStart): Promise<void> {
  return new Promise((resolve, reject) => {
    let joins = false;
    const died = (why: string) => {
      if (joins) numbers(start.memory).setInt32(start.control + controlState, stateFailed, true);
      reject(new Error(`helper: ${why}`));
    };
    worker.onmessage = ({ data }: MessageEvent<FromHelper>) => {
      if (data.type === "failed") return died(data.message);
      joins = true;
      resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      died(event.message || "its script could not be loaded");
    };
    worker.postMessage(start);
  });
}
