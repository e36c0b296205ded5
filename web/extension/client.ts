// A panel's line to the host. A port that dies, because the host or its browser process went, is opened again; the
// host is told how far each answer has come and sends the rest.

import { type FromPanel, type Note, panelPort, type Position, type ToPanel } from "./messages.js";

/** Milliseconds before a line is opened again. */
const retryAfter = 150;

export class Client {
  /** Called for every message. */
  onMessage: (message: ToPanel) => void = () => undefined;
  /** What the panel shows: asked whenever a line opens. */
  have: () => Record<string, Position> = () => ({});
  readonly #window: number;
  #port: ExtPort | undefined;
  #unsent: FromPanel[] = [];

  constructor(window: number) {
    this.#window = window;
  }

  /** Opens the line, and again whenever it dies. */
  async open(): Promise<void> {
    const ensure: Note = { to: "router", type: "ensure" };
    await chrome.runtime.sendMessage(ensure).catch(() => false); // wakes the service worker, which makes the host
    const port = chrome.runtime.connect({ name: panelPort });
    port.onMessage.addListener((m) => this.onMessage(m as ToPanel));
    port.onDisconnect.addListener(() => {
      this.#port = undefined;
      setTimeout(() => void this.open(), retryAfter);
    });
    this.#port = port;
    this.send({ type: "hello", window: this.#window, have: this.have() });
    for (const m of this.#unsent.splice(0)) this.send(m);
  }

  /** Sends, now or when there is a line. */
  send(message: FromPanel): void {
    if (this.#port) this.#port.postMessage(message);
    else this.#unsent.push(message);
  }
}
