// The lines to web pages: what they ask, what they are told, and what ends when they are gone.

import { BadRequestError } from "../../src/index.js";
import { wireOf } from "../../src/errors.js";
import type { FromPage, Job, Settings, ToPage } from "../messages.js";
import { checkAsk, checkId, mayAsk } from "./page.js";
import { newJob, type Queue, restOf, seed } from "./queue.js";

/** Milliseconds an origin may be without a line, as when a service worker is stopped, before its questions end. */
const grace = 20_000;

export class Pages {
  readonly #lines = new Map<ExtPort, string>();
  readonly #queue: Queue;
  readonly #ready: Promise<void>;
  readonly #settings: () => Promise<Settings>;
  readonly #onChange: () => void;

  /** onChange is called when a question was added or ended by a page. */
  constructor(queue: Queue, ready: Promise<void>, settings: () => Promise<Settings>, onChange: () => void) {
    this.#queue = queue;
    this.#ready = ready;
    this.#settings = settings;
    this.#onChange = onChange;
    void ready.then(() => new Set([...queue.jobs.values()].map((j) => j.from)).forEach((o) => this.#expect(o)));
  }

  /** Takes a page's line: `origin` is what the browser says it is. */
  connect(port: ExtPort, origin: string): void {
    this.#lines.set(port, origin);
    port.onDisconnect.addListener(() => {
      this.#lines.delete(port);
      this.#expect(origin);
    });
    let turn = Promise.resolve(); // in order: an attach must find what the ask before it began
    port.onMessage.addListener((message) => {
      const refuse = (err: unknown) => {
        if (this.#lines.has(port)) this.#send(port, { type: "error", id: checkId(message), ...wireOf(err) });
      };
      turn = turn.then(() => this.#hear(port, origin, message as FromPage)).catch(refuse);
    });
  }

  /** Tells an origin's pages how a job of theirs stands. */
  tellJob(job: Job, ahead: number): void {
    const { state, error } = job;
    this.#tell(job, { type: "state", id: pageId(job), state, ahead, ...(error && { error }) });
  }

  /** Tells an origin's pages a piece of an answer of theirs. */
  tellText(job: Job, at: number, text: string): void {
    this.#tell(job, { type: "text", id: pageId(job), draft: job.draft, at, text });
  }

  async #hear(port: ExtPort, origin: string, m: FromPage): Promise<void> {
    await this.#ready;
    if (typeof m !== "object" || m === null)
      throw new BadRequestError("ERR_BAD_REQUEST", "a message must be an object");
    const id = pageJob(origin, m.id);
    if (m.type === "stop") return this.#queue.stop(id);
    if (m.type === "attach") {
      const job = this.#queue.jobs.get(id);
      if (!job) throw new BadRequestError("ERR_BAD_REQUEST", `there is no answer ${m.id}`);
      this.#send(port, { ...restOf(job, m), id: m.id });
      return this.tellJob(job, this.#queue.ahead(job));
    }
    if (m.type !== "ask") throw new BadRequestError("ERR_BAD_REQUEST", "type must be ask, attach or stop");
    if (this.#queue.jobs.has(id)) return; // asked again, for a line died
    const allowed = await mayAsk(origin, this.#queue.jobs.values());
    const { messages, ...sampling } = checkAsk(m, await this.#settings(), seed());
    const job = { ...newJob(id, origin, 0), messages, sampling };
    this.#queue.add(allowed ? job : { ...job, state: "approval" });
    this.#onChange();
  }

  /** Gives an origin without a line time to come back; then nobody waits for its answers. */
  #expect(origin: string): void {
    setTimeout(() => {
      if (origin === "panel" || [...this.#lines.values()].includes(origin)) return;
      for (const job of this.#queue.jobs.values()) if (job.from === origin) this.#queue.stop(job.id);
      this.#onChange();
    }, grace);
  }

  #tell(job: Job, message: ToPage): void {
    for (const [port, origin] of this.#lines) if (origin === job.from) this.#send(port, message);
  }

  #send(port: ExtPort, message: ToPage): void {
    port.postMessage(message);
  }
}

// A page's ids live in a space of its origin's: it cannot reach another's answers.
function pageJob(origin: string, id: string): string {
  return `${origin} ${id}`;
}

function pageId(job: Job): string {
  return job.id.slice(job.from.length + 1);
}
