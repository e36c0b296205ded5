// The machine's limits, as the page sees them.

/** With all threads together. */
export interface Limits {
  readonly readGBps: number;
  readonly dotGmacs: number;
}

/** Multiplications per turn of the dot probe: lab.DotMACs. */
const dotMACs = 192;

/** Measures reading `bytes` again and again, and the flavour's dot instruction, with some threads. */
export async function measureLimits(flavour: string, threads: number, bytes: number): Promise<Limits> {
  const compile = async (url: string) => await WebAssembly.compileStreaming(fetch(url));
  const [read, dot] = await Promise.all([compile("./probe-read.wasm"), compile(`./probe-dot-${flavour}.wasm`)]);
  const worker = new Worker(new URL("./limits.worker.js", import.meta.url), { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Limits>) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
      const grain = 1 << 20;
      worker.postMessage({ read, dot, threads, bytes: Math.max(64, Math.ceil(bytes / grain)) * grain, dotMACs });
    });
  } finally {
    worker.terminate();
  }
}
