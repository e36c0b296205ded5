// Progress events: how far a load has come.

/** The stages of loading a model, in order. */
export type Phase = "download" | "verify" | "load" | "warmup";

/** One step of progress. `ratio` is loaded/total and, per phase and file, goes from exactly 0 to exactly 1. */
export interface Progress {
  phase: Phase;
  file: string;
  /** Bytes; tokens in "warmup". */
  loaded: number;
  total: number;
  ratio: number;
}

export type OnProgress = (p: Progress) => void;

// People see no more than this, and a message per network packet costs.
const minIntervalMs = 50;

/** Counts one phase of one file. Emits 0 when made, 1 on finish, and at most twenty events a second between. */
export class ProgressCounter {
  #loaded = 0;
  #last = 0;
  constructor(
    readonly phase: Phase,
    readonly file: string,
    readonly total: number,
    readonly emit: OnProgress | undefined,
  ) {
    this.#send(0);
  }

  /** Counts n more bytes; negative n takes back what has to be fetched again. */
  add(n: number): void {
    this.#loaded += n;
    const now = performance.now();
    if (now - this.#last < minIntervalMs || this.#loaded >= this.total) return;
    this.#last = now;
    this.#send(this.#loaded);
  }

  /** Emits the end. */
  finish(): void {
    this.#send(this.total);
  }

  #send(loaded: number): void {
    const ratio = this.total === 0 ? Number(loaded > 0) : loaded / this.total;
    this.emit?.({ phase: this.phase, file: this.file, loaded, total: this.total, ratio });
  }
}
