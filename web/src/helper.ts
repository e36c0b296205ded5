/**
 * The other role of the worker script: a helper runs the kernels on an engine's memory
 * until it is terminated. It is the same script, because bundlers inline a file of its
 * size as a data: URL, which is no worker's origin.
 */

import { messageOf } from "./errors.js";
import type { FromHelper, HelperStart } from "./threads.js";

/** Whether a worker's first message makes it a helper. */
export function isHelperStart(message: object): message is HelperStart {
  return "control" in message;
}

/** Joins the engine's threads and does not return before they stop. */
export async function help({ kernels, memory, control }: HelperStart): Promise<void> {
  try {
    const { exports } = await WebAssembly.instantiate(kernels, { env: { memory } });
    post({ type: "ready" });
    (exports["help"] as (control: number) => void)(control);
  } catch (thrown) {
    post({ type: "failed", message: messageOf(thrown) });
  }
}

function post(message: FromHelper): void {
  self.postMessage(message);
}
