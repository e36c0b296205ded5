/**
 * The part of WASI preview 1 that Go's runtime uses: a clock, random bytes, standard
 * error, and empty answers about arguments, environment and files.
 *
 * It must not know the engine.
 */

import { bytesAt, copyAt, numbers } from "./memory.js";

/** The errno values of WASI preview 1 used here. */
const errno = { success: 0, badf: 8, inval: 28, nosys: 52 } as const;

/** Thrown through the module when it exits: Go's runtime does so when it dies. */
export class ExitError extends Error {
  constructor(readonly exitCode: number) {
    super(`wasi: exit code ${exitCode}`);
  }
}

/** What the shim needs; memory is set before the module runs. */
export interface WasiOptions {
  readonly memory: WebAssembly.Memory;
  /** Takes what the module prints, as it prints it. */
  readonly print: (text: string) => void;
}

type WasiFunction = (...args: never[]) => number | void;

/** The module "wasi_snapshot_preview1". */
export function wasiImports({ memory, print }: WasiOptions): Record<string, WasiFunction> {
  const decoder = new TextDecoder();
  const success = () => errno.success;
  const badf = () => errno.badf;

  /** Writes two zero u32: no arguments, no environment, no events. */
  const noneAt = (count: number, size: number): number => {
    numbers(memory).setUint32(count, 0, true);
    numbers(memory).setUint32(size, 0, true);
    return errno.success;
  };

  return {
    args_get: success,
    args_sizes_get: noneAt,
    environ_get: success,
    environ_sizes_get: noneAt,

    clock_time_get: (id: number, _precision: bigint, out: number) => {
      const ms = id === 0 ? Date.now() : performance.now();
      numbers(memory).setBigUint64(out, BigInt(Math.round(ms * 1e6)), true);
      return errno.success;
    },

    // crypto refuses views of shared memory, so the bytes are made outside and copied in.
    random_get: (address: number, n: number) => {
      for (let at = 0; at < n; at += 65536) {
        const part = new Uint8Array(Math.min(65536, n - at));
        bytesAt(memory, address + at, part.length).set(crypto.getRandomValues(part));
      }
      return errno.success;
    },

    fd_write: (fd: number, vectors: number, count: number, out: number) => {
      if (fd !== 1 && fd !== 2) return errno.badf;
      let written = 0;
      for (let i = 0; i < count; i++) {
        const address = numbers(memory).getUint32(vectors + 8 * i, true);
        const n = numbers(memory).getUint32(vectors + 8 * i + 4, true);
        print(decoder.decode(copyAt(memory, address, n), { stream: true }));
        written += n;
      }
      numbers(memory).setUint32(out, written, true);
      return errno.success;
    },

    // Go's scheduler polls only when it has nothing else to run. Reporting the first
    // subscription's event at once makes it look again.
    poll_oneoff: (subscriptions: number, events: number, count: number, out: number) => {
      if (count === 0) return errno.inval;
      const view = numbers(memory);
      view.setBigUint64(events, view.getBigUint64(subscriptions, true), true);
      view.setUint16(events + 8, errno.success, true);
      view.setUint8(events + 10, view.getUint8(subscriptions + 8));
      view.setUint32(out, 1, true);
      return errno.success;
    },

    proc_exit: (code: number) => {
      throw new ExitError(code);
    },
    sched_yield: success,

    // There are no files.
    fd_close: badf,
    fd_fdstat_get: badf,
    fd_fdstat_set_flags: badf,
    fd_filestat_get: badf,
    fd_prestat_get: badf,
    fd_prestat_dir_name: badf,
    fd_read: badf,
    fd_seek: badf,
    path_open: badf,
  };
}

/** Fills in functions a module imports beyond the shim's, each answering "not supported". */
export function withUnsupported(
  imports: Record<string, WasiFunction>,
  module: WebAssembly.Module,
): Record<string, WasiFunction> {
  const all = { ...imports };
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    if (from === "wasi_snapshot_preview1") all[name] ??= () => errno.nosys;
  }
  return all;
}
