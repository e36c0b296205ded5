// The engine's worker with a clock around the kernels: each pass of the model calls
// their `run` once, which is timed as it is, or one operation at a time.

/** How to time passes. Setting it forgets what was measured. */
export type Mode = "off" | "pass" | "op";

/** Sets the mode; the first `skip` passes from then on are not timed. */
export interface Ask {
  readonly mode: Mode;
  readonly skip: number;
}

/** What was measured since the mode was set. Milliseconds. */
export interface Report {
  readonly passes: number;
  readonly ms: number;
  /** Calls and milliseconds by operation code; empty unless the mode is "op". */
  readonly ops: readonly [code: number, calls: number, ms: number][];
}

type Run = (control: number, tape: number, ops: number) => void;

/** Bytes of one operation's record: kernels.OpWords words. */
const recordBytes = 128;

let mode: Mode = "off";
let skip = 0;
let passes = 0;
let total = 0;
const ops = new Map<number, [number, number]>();

const instantiate = WebAssembly.instantiate as (
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
) => Promise<WebAssembly.Instance>;

WebAssembly.instantiate = ((module: WebAssembly.Module, imports: WebAssembly.Imports) => {
  const { kernels, env } = imports as { kernels?: { run: Run }; env: { memory: WebAssembly.Memory } };
  if (kernels === undefined) return instantiate(module, imports);
  return instantiate(module, {
    ...imports,
    kernels: { ...kernels, run: timed(kernels.run, env.memory) } as WebAssembly.ModuleImports,
  });
}) as typeof WebAssembly.instantiate;

function timed(run: Run, memory: WebAssembly.Memory): Run {
  return (control, tape, n) => {
    if (skip-- > 0) return run(control, tape, n);
    const begun = performance.now();
    if (mode === "op") oneByOne(run, memory, control, tape, n);
    else run(control, tape, n);
    total += performance.now() - begun;
    passes++;
  };
}

function oneByOne(run: Run, memory: WebAssembly.Memory, control: number, tape: number, n: number): void {
  const words = new Uint32Array(memory.buffer);
  for (let i = 0; i < n; i++) {
    const at = (tape >>> 0) + i * recordBytes;
    const code = words[at / 4]!;
    const begun = performance.now();
    run(control, at, 1);
    const [calls, ms] = ops.get(code) ?? [0, 0];
    ops.set(code, [calls + 1, ms + performance.now() - begun]);
  }
}

const channel = new BroadcastChannel("pastel-profile");
channel.onmessage = ({ data }: MessageEvent<Ask>) => {
  const report: Report = { passes, ms: total, ops: [...ops].map(([code, [calls, ms]]) => [code, calls, ms]) };
  ({ mode, skip } = data);
  passes = total = 0;
  ops.clear();
  channel.postMessage(report);
};

// Not a plain import: package.json says that those of src have no side effects.
await import("../src/worker.js");
export {};
