// The tab that runs the worker for all: it numbers every tab's requests anew,
// starts the worker once, loads a model once, and cleans up after tabs that go.

import type { FromWorker, LoadRequest, ToWorker } from "./messages.js";
import { aliveLock } from "./shared.js";
import type { Port } from "./transport.js";

/** A tab's request under way. */
interface Owner {
  tab: string;
  message: Exclude<ToWorker, { type: "cancel" }>;
}

/** Relays between many tabs and one worker. */
export class Leader {
  readonly #port: Port;
  readonly #deliver: (tab: string, message: FromWorker) => void;
  readonly #owners = new Map<number, Owner>();
  /** Sessions by tab, to be closed with it. */
  readonly #tabs = new Map<string, Set<number>>();
  // Nothing else reaches the worker before it started, or failed to.
  #started: Extract<FromWorker, { type: "started" | "reply" }> | undefined;
  #waiting: Owner[] = [];
  /** What the worker holds: the key of the load and its reply. */
  #loaded = new Map<string, Extract<FromWorker, { type: "reply" }>>();
  #last = 0;

  constructor(
    port: Port,
    start: Extract<ToWorker, { type: "start" }>,
    deliver: (tab: string, message: FromWorker) => void,
    onDeath: (why: string) => void,
  ) {
    this.#port = port;
    this.#deliver = deliver;
    port.listen((message) => this.#answer(message), onDeath);
    port.post({ ...start, id: 0 });
  }

  /** Takes a request of a tab's. */
  receive(tab: string, message: ToWorker): void {
    this.#watch(tab);
    if (message.type === "cancel") return this.#cancel(tab, message.id);
    const owner = { tab, message };
    if (this.#started === undefined) return void this.#waiting.push(owner);
    if (message.type === "start") return this.#deliver(tab, { ...this.#started, id: message.id });
    const held = message.type === "load" ? this.#loaded.get(keyOf(message.load)) : undefined;
    if (held) return this.#deliver(tab, { ...held, id: message.id });
    if (message.type === "load" && message.load.kind === "model") this.#replaceModel(tab);
    this.#ask(owner);
  }

  /** Ends the worker. */
  close(): void {
    this.#port.close();
  }

  #ask(owner: Owner): void {
    const id = ++this.#last;
    this.#owners.set(id, owner);
    this.#port.post({ ...owner.message, id });
  }

  #cancel(tab: string, tabId: number): void {
    for (const [id, o] of this.#owners) {
      if (o.tab === tab && o.message.id === tabId) this.#port.post({ type: "cancel", id });
    }
  }

  // The worker holds one model: whoever used another one has lost it.
  #replaceModel(by: string): void {
    if (this.#loaded.size === 0) return;
    this.#loaded.clear();
    for (const tab of this.#tabs.keys()) {
      if (tab !== by) this.#deliver(tab, { type: "restarted", reason: "another tab loaded another model" });
    }
  }

  #answer(message: FromWorker): void {
    if (message.type === "restarted") {
      this.#loaded.clear();
      return this.#tabs.forEach((_, tab) => this.#deliver(tab, message));
    }
    if (message.id === 0 && (message.type === "started" || message.type === "reply")) return this.#begin(message);
    const owner = this.#owners.get(message.id);
    if (owner === undefined) return;
    if (message.type === "reply") this.#finish(message, owner);
    this.#deliver(owner.tab, { ...message, id: owner.message.id });
  }

  #begin(message: Extract<FromWorker, { type: "started" | "reply" }>): void {
    this.#started = message;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const o of waiting) this.receive(o.tab, o.message);
  }

  #finish(message: Extract<FromWorker, { type: "reply" }>, { tab, message: asked }: Owner): void {
    this.#owners.delete(message.id);
    const { reply } = message;
    if (asked.type === "load" && asked.load.kind === "pool") this.#drop("pool"); // the worker holds one
    if (asked.type === "load" && reply.type !== "error") this.#loaded.set(keyOf(asked.load), message);
    if (asked.type === "call" && asked.request.type === "unload") this.#drop("adapter");
    if (asked.type === "call" && asked.request.type === "closePool") this.#drop("pool");
    if (reply.type === "sessionInfo") this.#tabs.get(tab)?.add(reply.session);
  }

  #drop(kind: LoadRequest["kind"]): void {
    this.#loaded.forEach((_, k) => k.startsWith(kind) && this.#loaded.delete(k));
  }

  // A tab that goes takes its requests and sessions with it.
  #watch(tab: string): void {
    if (this.#tabs.has(tab)) return;
    const sessions = new Set<number>();
    this.#tabs.set(tab, sessions);
    void navigator.locks.request(aliveLock(tab), () => {
      this.#tabs.delete(tab);
      for (const [id, o] of this.#owners) if (o.tab === tab) this.#port.post({ type: "cancel", id });
      for (const session of sessions) {
        this.#port.post({ type: "call", id: ++this.#last, request: { type: "closeSession", session } });
      }
    });
  }
}

function keyOf(load: LoadRequest): string {
  const files = load.sources.map((s) => (s.kind === "url" ? s.url : `${s.name} ${s.blob.size} ${crypto.randomUUID()}`));
  return [load.kind, load.id, ...files].join("\n");
}
