/** A helper worker: runs the kernels on an engine's memory until it is terminated. */

import { messageOf } from "./errors.js";
import type { FromHelper, HelperStart } from "./threads.js";

function post(message: FromHelper): void {
  self.postMessage(message);
}

async function help({ kernels, memory, control }: HelperStart): Promise<void> {
  const { exports } = await WebAssembly.instantiate(kernels, { env: { memory } });
  post({ type: "ready" });
  (exports["help"] as (control: number) => void)(control); // returns when told to stop
}

self.onmessage = (event: MessageEvent<HelperStart>) => {
  help(event.data).catch((thrown: unknown) => post({ type: "failed", message: messageOf(thrown) }));
};
