/**
 * engine.wasm in JavaScript: instantiates memory, kernels and engine on each other,
 * and carries messages and bytes to the engine's exports. It must not know workers,
 * pages, or what a message means.
 */

import { bytesAt, copyAt, createMemory, isFull } from "./memory.js";
import { CrashError, errorOf, OutOfMemoryError } from "./errors.js";
import { decode, encode, type Message, type MessageOf, type Reply, type Request } from "./protocol.js";
import { wasiImports, withUnsupported } from "./wasi.js";

/** What an engine's error reply, or its end, is thrown as. Its code is the reply's. */
function thrown(reply: MessageOf<"error">): Error {
  return errorOf(reply.code, reply.message);
}

/** The engine's exports. (See wasm/engine/doc.go.) */
interface Exports {
  _initialize(): void;
  buffer(n: number): number;
  call(n: number): number;
  write(file: number, n: number): number;
  step(session: number): number;
  reply(): number;
  control(threads: number): number;
}

/** Compiled modules, from which instances are made. */
export interface Compiled {
  readonly engine: WebAssembly.Module;
  readonly kernels: WebAssembly.Module;
}

/** One running instance. Once isDead, it is only fit to be dropped. */
export class EngineModule {
  private constructor(
    readonly memory: WebAssembly.Memory,
    readonly kernels: WebAssembly.Exports,
    private readonly exports: Exports,
    private readonly printed: string[],
  ) {}

  /** Instantiates and initialises; a few milliseconds. */
  static async create(compiled: Compiled): Promise<EngineModule> {
    const memory = createMemory(compiled.engine);
    const printed: string[] = [];
    const kernels = await WebAssembly.instantiate(compiled.kernels, { env: { memory } });
    const wasi = wasiImports({ memory, print: (text) => printed.push(text) });
    const engine = await WebAssembly.instantiate(compiled.engine, {
      env: { memory },
      kernels: kernels.exports,
      wasi_snapshot_preview1: withUnsupported(wasi, compiled.engine),
    });
    const made = new EngineModule(memory, kernels.exports, engine.exports as unknown as Exports, printed);
    made.run(() => made.exports._initialize());
    return made;
  }

  /** Sends a request and returns its reply. @throws CrashError, OutOfMemoryError when the module is gone */
  call(request: Request): Reply {
    const bytes = encode(request);
    return this.run(() => {
      bytesAt(this.memory, this.exports.buffer(bytes.length), bytes.length).set(bytes);
      return this.receive(this.exports.call(bytes.length));
    });
  }

  /** Like call, but throws an error reply as the error its code stands for. */
  ask(request: Request): Reply {
    const reply = this.call(request);
    if (reply.type === "error") throw thrown(reply);
    return reply;
  }

  /**
   * The engine's own buffer, with room for n bytes. Filling it and calling write copies
   * weights once. It stays the buffer until the next reserve or call.
   */
  reserve(n: number): Uint8Array {
    return this.run(() => bytesAt(this.memory, this.exports.buffer(n), n));
  }

  /**
   * Gives the first n bytes of the buffer to a file of the open stream and returns how
   * many were taken: fewer when the headers of other files must come first.
   *
   * @throws the engine's error
   */
  write(file: number, n: number): number {
    const taken = this.run(() => this.exports.write(file, n));
    if (taken >= 0) return taken;
    const reply = this.run(() => this.receive(-taken));
    throw reply.type === "error" ? thrown(reply) : new CrashError("ERR_CRASH", "engine: write failed without an error");
  }

  /** Runs one step of a session's generation and returns its event. */
  step(session: number): Reply {
    return this.run(() => this.receive(this.exports.step(session)));
  }

  /** Makes the block where up to n threads meet and returns its address. */
  control(n: number): number {
    const address = this.run(() => this.exports.control(n));
    if (address === 0) throw new OutOfMemoryError("ERR_OOM", `engine: no memory for ${n} threads`);
    return address;
  }

  /** Whether the module trapped: nothing but dropping it helps. */
  get isDead(): boolean {
    return this.dead;
  }

  private dead = false;

  private receive(length: number): Reply {
    const message: Message = decode(copyAt(this.memory, this.exports.reply(), length));
    return message as Reply;
  }

  /** Runs f; a trap marks the module dead and becomes an error that says why. */
  private run<T>(f: () => T): T {
    try {
      return f();
    } catch (cause) {
      this.dead = true;
      const why = this.printed.join("").split("\n")[0] || String(cause);
      const message = `engine: the module stopped, its model is gone: ${why}`;
      if (isFull(this.memory)) throw new OutOfMemoryError("ERR_OOM", message, { cause });
      throw new CrashError("ERR_CRASH", message, { cause });
    }
  }
}
