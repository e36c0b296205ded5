// All jobs: one runs, the others wait in order. Each is written down while it grows, so a host that was killed goes
// on where it stopped: it computes the answer again from the same seed and gives out only what is new.

import { errorOf, wireOf } from "../../src/errors.js";
import type { HybridEvent } from "../../src/offload.js";
import type { Job, Position } from "../messages.js";
import * as database from "./database.js";
import type { Confirm } from "./answer.js";

/** Finished jobs of one asker that are kept. */
const kept = 40;
/** Hosts that may die over one job before it is given up. */
const maxAttempts = 3;
/** Milliseconds between two writes of a growing answer. */
const writeEvery = 400;

export type Answerer = (job: Job, signal: AbortSignal, confirm: Confirm) => AsyncIterable<HybridEvent>;

/** What changed, for whoever shows it. */
export interface Listener {
  job(job: Job, ahead: number): void;
  text(job: Job, at: number, text: string): void;
}

export class Queue {
  readonly jobs = new Map<string, Job>();
  readonly #answer: Answerer;
  readonly #tell: Listener;
  #waiting: Job[] = [];
  #running: { job: Job; stop: AbortController } | undefined;
  #confirming: ((yes: boolean) => void) | undefined;

  constructor(answer: Answerer, tell: Listener) {
    this.#answer = answer;
    this.#tell = tell;
  }

  /** Takes up what an earlier host left. */
  async recover(): Promise<void> {
    for (const job of await database.jobs()) {
      this.jobs.set(job.id, job);
      if (isOpen(job)) this.#enter(job);
    }
  }

  /** Adds a job, unless it is there. */
  add(job: Job): Job {
    const known = this.jobs.get(job.id);
    if (known) return known;
    this.jobs.set(job.id, job);
    this.#forgetOld(job.from);
    this.#enter(job);
    return job;
  }

  /** Jobs before this one. */
  ahead(job: Job): number {
    const at = this.#waiting.indexOf(job);
    return at < 0 ? 0 : at + (this.#running ? 1 : 0);
  }

  /** The answered questions that a job goes on from, the oldest first. */
  earlier(job: Job): Job[] {
    const before = this.jobs.get(job.after ?? "");
    return before?.state === "done" ? [...this.earlier(before), before] : [];
  }

  /** Ends a job where it is. */
  stop(id: string): void {
    if (this.#running?.job.id === id) return this.#running.stop.abort(new DOMException("stopped", "AbortError"));
    const job = this.jobs.get(id);
    if (job && isOpen(job)) this.#end(job, "stopped");
  }

  /** The user's answer to a question that should go to the server. */
  confirm(id: string, yes: boolean): void {
    if (this.#running?.job.id === id) this.#confirming?.(yes);
  }

  /** Lets an origin's waiting jobs run, or refuses them. */
  decide(origin: string, yes: boolean): void {
    for (const job of this.jobs.values()) {
      if (job.from !== origin || job.state !== "approval") continue;
      job.state = "queued";
      if (yes) this.#enter(job);
      else this.#end(job, "failed", { code: "ERR_CONSENT", message: `the user does not let ${origin} use the model` });
    }
  }

  /** Ends everything, because the model goes. */
  fail(code: string, message: string): void {
    for (const job of [...this.#waiting]) this.#end(job, "failed", { code, message });
    this.#running?.stop.abort({ code, message });
  }

  /** Ends and forgets everything. */
  clear(): void {
    this.fail("ERR_CLOSED", "everything was deleted");
    this.jobs.clear();
  }

  #enter(job: Job): void {
    this.jobs.set(job.id, job);
    void database.putJob(job);
    if (job.state !== "approval") {
      job.state = "queued";
      this.#waiting.push(job);
    }
    this.#tell.job(job, this.ahead(job));
    void this.#next();
  }

  async #next(): Promise<void> {
    if (this.#running) return;
    const job = this.#waiting.shift();
    if (!job) return;
    const stop = new AbortController();
    this.#running = { job, stop };
    try {
      await this.#run(job, stop.signal);
      this.#end(job, "done");
    } catch (err) {
      const why: unknown = stop.signal.aborted ? stop.signal.reason : err;
      const error = isWire(why) ? why : wireOf(why);
      if (error.code === "ERR_ABORTED") this.#end(job, "stopped");
      else this.#end(job, "failed", error);
    } finally {
      this.#running = undefined;
      void this.#next();
      this.#waiting.forEach((w) => this.#tell.job(w, this.ahead(w)));
    }
  }

  async #run(job: Job, signal: AbortSignal): Promise<void> {
    if (++job.attempts > maxAttempts) throw errorOf("ERR_CRASH", "the engine ended over this question again and again");
    job.state = "running";
    await database.putJob(job);
    this.#tell.job(job, 0);
    let fresh = "";
    let written = performance.now();
    for await (const event of this.#answer(job, signal, this.#confirm(job))) {
      signal.throwIfAborted();
      job.label = event.label;
      if (event.type === "replace") {
        fresh = "";
        this.#redraft(job);
      } else if (event.type === "text") {
        fresh += event.text;
        this.#grow(job, fresh);
      }
      if (performance.now() - written > writeEvery) {
        written = performance.now();
        await database.putJob(job);
      }
    }
  }

  // fresh is this run's text, job.text what was given out, perhaps by an earlier host.
  #grow(job: Job, fresh: string): void {
    if (job.text.startsWith(fresh)) return;
    if (!fresh.startsWith(job.text)) this.#redraft(job);
    const at = job.text.length;
    job.text = fresh;
    this.#tell.text(job, at, fresh.slice(at));
  }

  #redraft(job: Job): void {
    job.draft++;
    job.text = "";
    this.#tell.text(job, 0, "");
  }

  #confirm(job: Job): Confirm {
    return async (host, signal) => {
      job.state = "confirm";
      job.asks = host;
      this.#tell.job(job, 0);
      const yes = await new Promise<boolean>((resolve) => {
        this.#confirming = resolve;
        signal.addEventListener("abort", () => resolve(false), { once: true });
      });
      this.#confirming = undefined;
      job.state = "running";
      this.#tell.job(job, 0);
      return yes;
    };
  }

  #end(job: Job, state: "done" | "failed" | "stopped", error?: { code: string; message: string }): void {
    this.#waiting = this.#waiting.filter((w) => w !== job);
    job.state = state;
    if (error) job.error = error;
    if (this.jobs.get(job.id) === job) void database.putJob(job);
    this.#tell.job(job, 0);
  }

  #forgetOld(from: string): void {
    const finished = [...this.jobs.values()].filter((j) => j.from === from && !isOpen(j));
    for (const job of finished.slice(0, Math.max(0, finished.length - kept))) {
      this.jobs.delete(job.id);
      void database.removeJob(job.id);
    }
  }
}

/** A job before anything happened to it. */
export function newJob(id: string, from: string, window: number): Omit<Job, "sampling"> {
  return { id, from, window, created: Date.now(), state: "queued", draft: 0, text: "", attempts: 0 };
}

/** A seed of chance. */
export function seed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

/** The part of a job's text that a client lacks. */
export function restOf(
  job: Job,
  have?: Position,
): { type: "text"; id: string; draft: number; at: number; text: string } {
  const at = have?.draft === job.draft ? Math.min(Math.max(0, have.at) || 0, job.text.length) : 0;
  return { type: "text", id: job.id, draft: job.draft, at, text: job.text.slice(at) };
}

/** Whether a job is not over. */
export function isOpen(job: Job): boolean {
  return job.state !== "done" && job.state !== "failed" && job.state !== "stopped";
}

function isWire(v: unknown): v is { code: string; message: string } {
  return (
    typeof v === "object" &&
    v !== null &&
    !(v instanceof Error) &&
    "code" in v &&
    "message" in v &&
    typeof v.code === "string"
  );
}
