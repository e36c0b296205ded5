// Runs the probes: how fast this machine reads memory, and how many multiplications
// its dot instruction does. The worker that is asked starts the others.

/** What a worker is started with. The one without memory is asked; the others help. */
interface Start {
  readonly read: WebAssembly.Module;
  readonly dot: WebAssembly.Module;
  readonly threads: number;
  /** Bytes to read, a multiple of 1 MiB. */
  readonly bytes: number;
  readonly dotMACs: number;
  readonly memory?: WebAssembly.Memory;
}

/** The probes' exports, as those of kernels.wasm: see kernels/lab/probe.go. */
interface Probe {
  run(control: number, a: number, b: number): void;
  help(control: number): void;
}

const control = 1024;
const arrived = (control + 36) / 4; // kernels.ControlArrived
const weights = 1 << 20;
const dotTurns = 20_000;
const rounds = 12;

self.onmessage = async ({ data }: MessageEvent<Start>) => {
  if (data.memory) {
    self.postMessage("ready");
    probe(data.read, data.memory).help(control);
    return;
  }
  self.postMessage(await limits(data));
};

function probe(module: WebAssembly.Module, memory: WebAssembly.Memory): Probe {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Probe;
}

async function limits(start: Start): Promise<{ readGBps: number; dotGmacs: number }> {
  const pages = (weights + start.bytes) / 65536 + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
  new Uint8Array(memory.buffer, weights).fill(1); // untouched pages would all be one page of zeros
  const dot = probe(start.dot, memory);
  const dotS = best(() => dot.run(control, dotTurns, 0));
  await help(start, memory);
  const read = probe(start.read, memory);
  const readS = best(() => read.run(control, weights, start.bytes));
  return {
    readGBps: start.bytes / readS / 1e9,
    dotGmacs: ((dotTurns * start.dotMACs) / dotS / 1e9) * start.threads,
  };
}

/** Starts the helpers and waits until they have joined. They spin until the worker ends. */
async function help(start: Start, memory: WebAssembly.Memory): Promise<void> {
  for (let i = 1; i < start.threads; i++) {
    const worker = new Worker(self.location.href, { type: "module" });
    await new Promise((resolve) => {
      worker.onmessage = resolve;
      worker.postMessage({ ...start, memory });
    });
  }
  const joined = new Int32Array(memory.buffer);
  while (Atomics.load(joined, arrived) < start.threads - 1);
}

/** The shortest of many runs, in seconds: what the machine can do when nobody else runs. */
function best(f: () => void): number {
  let s = Infinity;
  for (let i = 0; i < rounds; i++) {
    const begun = performance.now();
    f();
    s = Math.min(s, performance.now() - begun);
  }
  return s / 1000;
}
export {};
