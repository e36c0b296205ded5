// One engine for all tabs of an origin. The tab that holds a Web Lock runs the
// worker (leader.ts); the others send their messages over a BroadcastChannel.
// When that tab goes, the browser hands the lock to the next one, which starts a
// worker of its own, and every tab loads again from storage.

import { Leader } from "./leader.js";
import type { FromWorker, ToWorker } from "./messages.js";
import { type Port, workerPort } from "./transport.js";

const leaderLock = "pastel-engine";
const channelName = "pastel-engine";
const taken = "the tab that ran the engine was closed, and its model with it";

/** What crosses the channel. `tab` is the sender of a request and the receiver of an answer. */
type Wire =
  | { to: "leader"; tab: string; message: ToWorker }
  | { to: "tab"; tab: string; message: FromWorker }
  | { to: "all"; leader: string };

/** The name of the Web Lock that a tab holds for as long as it lives. */
export function aliveLock(tab: string): string {
  return `pastel-tab:${tab}`;
}

/** A port to the origin's one engine, run by this tab when no other tab does. */
export function sharedPort(makeWorker: () => Worker): Port {
  return new SharedPort(makeWorker);
}

class SharedPort implements Port {
  readonly #makeWorker: () => Worker;
  readonly #tab = crypto.randomUUID();
  readonly #channel = new BroadcastChannel(channelName);
  readonly #leave = new AbortController();
  // What this tab asked and nobody answered yet: lost when the leader goes, but for "start", which is asked again.
  readonly #unanswered = new Map<number, ToWorker>();
  #start: Extract<ToWorker, { type: "start" }> | undefined;
  #leader: Leader | undefined;
  #onMessage: (message: FromWorker) => void = () => undefined;

  constructor(makeWorker: () => Worker) {
    this.#makeWorker = makeWorker;
  }

  post(message: ToWorker): void {
    if (message.type === "start") this.#start = message;
    if (message.type !== "cancel") this.#unanswered.set(message.id, message);
    this.#send(message);
  }

  listen(onMessage: (message: FromWorker) => void, onDeath: (why: string) => void): void {
    this.#onMessage = onMessage;
    this.#channel.onmessage = (event: MessageEvent<Wire>) => this.#hear(event.data);
    void navigator.locks.request(aliveLock(this.#tab), () => aborted(this.#leave.signal));
    const options = { signal: this.#leave.signal };
    navigator.locks.request(leaderLock, options, () => this.#lead(onDeath)).catch(() => undefined); // left before its turn
  }

  close(): void {
    this.#leave.abort();
    this.#leader?.close();
    this.#channel.close();
  }

  #send(message: ToWorker): void {
    if (this.#leader) this.#leader.receive(this.#tab, message);
    else this.#broadcast({ to: "leader", tab: this.#tab, message });
  }

  #broadcast(wire: Wire): void {
    this.#channel.postMessage(wire);
  }

  #hear(wire: Wire): void {
    if (wire.to === "leader") this.#leader?.receive(wire.tab, wire.message);
    else if (wire.to === "all") this.#newLeader();
    else if (wire.tab === this.#tab) this.#deliver(wire.message);
  }

  #deliver(message: FromWorker): void {
    if (message.type === "started" || message.type === "reply") this.#unanswered.delete(message.id);
    this.#onMessage(message);
  }

  async #lead(onDeath: (why: string) => void): Promise<void> {
    const deliver = (tab: string, message: FromWorker) =>
      tab === this.#tab ? this.#deliver(message) : this.#broadcast({ to: "tab", tab, message });
    // Transport sends "start" before the lock can be granted.
    this.#leader = new Leader(workerPort(this.#makeWorker()), this.#start!, deliver, onDeath);
    this.#broadcast({ to: "all", leader: this.#tab });
    this.#newLeader();
    await aborted(this.#leave.signal);
  }

  #newLeader(): void {
    const starting = [...this.#unanswered.values()].filter((m) => m.type === "start");
    for (const m of starting) this.#send(m);
    if (starting.length > 0) return;
    for (const id of [...this.#unanswered.keys()]) {
      this.#deliver({ type: "reply", id, reply: { type: "error", code: "ERR_CRASH", message: `engine: ${taken}` } });
    }
    this.#onMessage({ type: "restarted", reason: taken });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
