// Server-sent events out of a byte stream, wherever the network cut it: twin of
// Go package worker/sse. Source: WHATWG HTML 9.2.

import { NetError } from "../errors.js";

/** Bounds one event, so that a stream without newlines cannot fill memory. */
const maxEvent = 1 << 20;

/** Takes decoded text apart into events. */
export class EventParser {
  #line = "";
  #data: string[] = [];
  #size = 0;
  #afterCR = false;

  /** Returns the data of the events that `text` completes. Throws NetError for an event over 1 MiB. */
  push(text: string): string[] {
    const events: string[] = [];
    let rest = this.#afterCR && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#afterCR = false;
    for (;;) {
      const end = rest.search(/[\r\n]/);
      if (end < 0) break;
      this.#take(this.#line + rest.slice(0, end), events);
      this.#line = "";
      const crlf = rest[end] === "\r" && rest[end + 1] === "\n";
      if (rest[end] === "\r" && end + 1 === rest.length) this.#afterCR = true;
      rest = rest.slice(end + (crlf ? 2 : 1));
    }
    this.#line += rest;
    if (this.#line.length + this.#size > maxEvent)
      throw new NetError("ERR_NET", "offload: the server sent an event over 1 MiB");
    return events;
  }

  #take(line: string, events: string[]): void {
    if (line === "") {
      if (this.#data.length > 0) events.push(this.#data.join("\n"));
      this.#data = [];
      this.#size = 0;
    } else if (line === "data" || line.startsWith("data:")) {
      const value = line.slice(5);
      this.#data.push(value.startsWith(" ") ? value.slice(1) : value);
      this.#size += value.length;
    }
  }
}

/** The data of each event of a body. An unfinished event at the end is dropped, as the standard says. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const parser = new EventParser();
  const reader = body.getReader();
  const decoder = new TextDecoder(); // drops a byte order mark
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
