/** Which kernels this browser can run, and with how many threads. */

import type { EngineOptions } from "./messages.js";

/**
 * The smallest module with a relaxed SIMD instruction:
 *
 *     (func (result v128)
 *       i32.const 0 i8x16.splat  i32.const 0 i8x16.splat  i8x16.relaxed_swizzle)
 */
// prettier-ignore
const relaxedProbe = new Uint8Array([
  0,
  0x61,
  0x73,
  0x6d,
  1,
  0,
  0,
  0, // magic, version
  1,
  5,
  1,
  0x60,
  0,
  1,
  0x7b, // type: () -> v128
  3,
  2,
  1,
  0, // one function
  10,
  15,
  1,
  13,
  0,
  0x41,
  0,
  0xfd,
  15,
  0x41,
  0,
  0xfd,
  15,
  0xfd,
  0x80,
  2,
  11,
]);

/** Which instructions the kernels use. */
export type Flavour = "simd128" | "relaxed";

/** "relaxed" where the browser validates relaxed SIMD. */
export function detectFlavour(): Flavour {
  return WebAssembly.validate(relaxedProbe) ? "relaxed" : "simd128";
}

/**
 * Whether this machine's relaxed dot product is one the kernels can use. What it does
 * with bytes above 127 is left to the machine, and one of the permitted ways loses bits.
 */
export async function computesWith(kernels: WebAssembly.Module): Promise<boolean> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const { exports } = await WebAssembly.instantiate(kernels, { env: { memory } });
  return (exports["q8_zero"] as () => number)() >= 0;
}

/** How many threads to use, and why only one. */
export interface ThreadPlan {
  readonly threads: number;
  readonly singleThreadReason?: string;
}

/** More threads than this have not been measured to help, so no more are chosen. */
const usefulThreads = 8;

/** More threads than this do not fit the engine's control block (wasm/engine/executor.go). */
const maxThreads = 64;

/** Decides the number of threads. */
export function planThreads(options: EngineOptions): ThreadPlan {
  const cores = navigator.hardwareConcurrency || 1;
  const wanted = options.threads > 0 ? Math.min(options.threads, maxThreads) : Math.min(cores, usefulThreads);
  if (wanted === 1) {
    return { threads: 1, singleThreadReason: options.threads === 1 ? "one thread was asked for" : "one core" };
  }
  if (!globalThis.crossOriginIsolated) {
    return { threads: 1, singleThreadReason: "the page is not cross-origin isolated (COOP and COEP headers)" };
  }
  return { threads: wanted };
}
