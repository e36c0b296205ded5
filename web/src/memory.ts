/**
 * The engine's linear memory. This is the only file that touches memory.buffer: every
 * view is made fresh, because growing a memory leaves older views too short (or, for
 * an unshared memory, detached), and text is copied out before it is decoded, because
 * TextDecoder refuses shared memory.
 */

/** WebAssembly's page in bytes. */
const pageBytes = 65536;

/** What the link step left in the engine: how many pages its memory begins with. */
const memorySection = "pastel.memory";

/**
 * Makes the shared memory an engine module asks for. It can be constructed without
 * cross-origin isolation too; only posting it to another worker needs that.
 *
 * @param maxPages the most pages it may grow to; less than 65536 helps where address
 * space is short (iOS).
 * @throws Error when the module was not linked, RangeError when there is no address space.
 */
export function createMemory(engine: WebAssembly.Module, maxPages = 65536): WebAssembly.Memory {
  const note = WebAssembly.Module.customSections(engine, memorySection)[0];
  if (note === undefined) throw new Error("memory: engine.wasm has no pastel.memory section: it was not linked");
  const initial = new DataView(note).getUint32(0, true);
  return new WebAssembly.Memory({ initial, maximum: maxPages, shared: true });
}

/** Whether a memory can no longer grow, which is what an engine dies of when it is full. */
export function isFull(memory: WebAssembly.Memory): boolean {
  try {
    memory.grow(1);
    return false;
  } catch {
    return true;
  }
}

/** The memory's size in bytes. */
export function sizeOf(memory: WebAssembly.Memory): number {
  return memory.buffer.byteLength;
}

/** The n bytes at an address, for writing into. Stale after the next call of the module. */
export function bytesAt(memory: WebAssembly.Memory, address: number, n: number): Uint8Array {
  return new Uint8Array(memory.buffer, address >>> 0, n);
}

/** A copy of the n bytes at an address, in memory that is not shared. */
export function copyAt(memory: WebAssembly.Memory, address: number, n: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(n);
  copy.set(bytesAt(memory, address, n));
  return copy;
}

/** A view for reading and writing numbers. Stale after the next call of the module. */
export function numbers(memory: WebAssembly.Memory): DataView {
  return new DataView(memory.buffer);
}

/** The memory's size in whole pages. */
export function pagesOf(memory: WebAssembly.Memory): number {
  return memory.buffer.byteLength / pageBytes;
}
