// For web pages: asks the model of the user's Pastel extension. Copy this file, or its build, into your site; the
// protocol is in docs/extension-api.md. A line that dies in the middle of an answer is opened again, and the answer
// goes on where it stopped.

import type { FromBridge, FromPage, ToPage } from "../messages.js";

export interface AskOptions {
  max_tokens?: number;
  temperature?: number;
  seed?: number;
  signal?: AbortSignal;
  /** Hears "approval" while the user is asked, "queued", "running", "done". */
  onState?: (state: string) => void;
}

/** One turn of a conversation. */
export interface Turn {
  role: "system" | "user" | "assistant";
  content: string;
}

/** What the extension answers when it cannot: `code` is one of the engine's, ERR_CONSENT when the user refuses. */
export class ExtensionError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Lines that may die in a row before the extension counts as gone. */
const maxDeaths = 5;

/** Milliseconds after which a line through the bridge, on which nothing came at all, counts as dead. */
const silence = 5000;

/**
 * Streams an answer's text. Leaving the loop stops it. Throws ExtensionError, or the signal's reason.
 * extension is the id of the Pastel extension; in Firefox it is not needed.
 */
export async function* ask(extension: string, messages: Turn[], options: AskOptions = {}): AsyncGenerator<string> {
  const { signal, onState, ...sampling } = options;
  const id = crypto.randomUUID();
  const inbox = new Inbox<ToPage | "closed">();
  const abort = () => inbox.put("closed");
  signal?.addEventListener("abort", abort);
  const open = () => openLine(extension, (m) => inbox.put(m));
  let line = open();
  line.send({ type: "ask", id, messages, ...sampling });
  let text = "";
  let draft = 0;
  let deaths = 0;
  let over = false;
  try {
    for (;;) {
      const m = await inbox.take();
      signal?.throwIfAborted();
      if (m === "closed") {
        line.close();
        if (++deaths > maxDeaths) throw new ExtensionError("ERR_CLOSED", "the extension does not answer");
        await new Promise((resolve) => setTimeout(resolve, 200));
        line = open();
        // The same id again: the extension has it, and sends the rest, or it never came and begins now.
        line.send({ type: "ask", id, messages, ...sampling });
        line.send({ type: "attach", id, draft, at: text.length });
        continue;
      }
      if (m.id !== id) continue;
      if (m.type === "error") throw new ExtensionError(m.code, m.message);
      deaths = 0;
      if (m.type === "text") {
        if (m.draft !== draft) [draft, text] = [m.draft, ""];
        // The answer grows while a new line is being attached: what is ahead of the rest comes again within it.
        if (m.at > text.length) continue;
        const piece = m.text.slice(text.length - m.at);
        text += piece;
        if (piece !== "") yield piece;
        continue;
      }
      onState?.(m.state);
      over = m.state === "done" || m.state === "failed" || m.state === "stopped";
      if (m.error) throw new ExtensionError(m.error.code, m.error.message);
      if (over) return;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    if (!over) line.send({ type: "stop", id });
    line.close();
  }
}

/** A way to the extension. */
interface Line {
  send(message: FromPage): void;
  close(): void;
}

// Chrome lets pages connect; in Firefox the extension's content script carries messages once the user let it in.
function openLine(extension: string, onMessage: (m: ToPage | "closed") => void): Line {
  const canConnect = typeof chrome !== "undefined" && chrome.runtime !== undefined;
  return canConnect ? connect(extension, onMessage) : bridge(onMessage);
}

function connect(extension: string, onMessage: (m: ToPage | "closed") => void): Line {
  const runtime = chrome.runtime as unknown as { connect(id: string): ExtPort };
  const port = runtime.connect(extension);
  port.onMessage.addListener((m) => onMessage(m as ToPage));
  port.onDisconnect.addListener(() => onMessage("closed"));
  return {
    send(message) {
      try {
        port.postMessage(message);
      } catch {
        // it died; onDisconnect tells
      }
    },
    close: () => port.disconnect(),
  };
}

function bridge(onMessage: (m: ToPage | "closed") => void): Line {
  const timer = setTimeout(() => onMessage("closed"), silence);
  const hear = (event: MessageEvent<FromBridge | undefined>): void => {
    if (event.source !== window || event.data?.pastel !== "from") return;
    clearTimeout(timer);
    if (event.data.closed) onMessage("closed");
    else if (event.data.message) onMessage(event.data.message);
  };
  addEventListener("message", hear);
  return {
    send: (message) => postMessage({ pastel: "to", message }, location.origin),
    close() {
      clearTimeout(timer);
      removeEventListener("message", hear);
    },
  };
}

/** Messages that wait to be read. */
class Inbox<T> {
  readonly #items: T[] = [];
  #wake: () => void = () => undefined;

  put(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  async take(): Promise<T> {
    while (this.#items.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#items.shift()!;
  }
}
