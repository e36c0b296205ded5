// The conversation on the page.

import type { ChatMessage, Route, Timing } from "../src/index.js";
import { make } from "./dom.js";

/** One message on the page. */
export class Entry {
  timing: Timing | undefined;
  readonly #item: HTMLLIElement;
  readonly #text: HTMLParagraphElement;

  constructor(
    readonly role: "user" | "assistant",
    text: string,
    list: HTMLOListElement,
  ) {
    this.#item = make("li", "", { class: `message ${role}` });
    this.#item.append(make("span", role === "user" ? "You: " : "Model: ", { class: "hidden" }));
    this.#text = make("p", text, { class: "text" });
    this.#item.append(this.#text);
    // Screen readers wait until the answer is whole.
    if (role === "assistant") this.#item.setAttribute("aria-busy", "true");
    list.append(this.#item);
    this.#scroll();
  }

  get text(): string {
    return this.#text.textContent ?? "";
  }

  append(piece: string): void {
    this.#text.append(piece);
    this.#scroll();
  }

  /** Says where the answer was computed. */
  where(route: Route): void {
    const place = route.where === "local" ? "on this device" : `on ${route.where.slice("server:".length)}`;
    this.#item.append(make("p", `Answered ${place}`, { class: "where", title: route.reason }));
  }

  finish(): void {
    this.#item.removeAttribute("aria-busy");
  }

  #scroll(): void {
    const list = this.#item.parentElement!;
    list.scrollTop = list.scrollHeight;
  }
}

/** All messages on the page. */
export class Log {
  #entries: Entry[] = [];
  constructor(
    readonly list: HTMLOListElement,
    readonly empty: HTMLElement,
  ) {}

  add(role: "user" | "assistant", text: string): Entry {
    this.empty.hidden = true;
    const entry = new Entry(role, text, this.list);
    this.#entries.push(entry);
    return entry;
  }

  /** The conversation so far, without the answer that is being written. */
  messages(): ChatMessage[] {
    return this.#entries
      .slice(0, -1)
      .filter((e) => e.text !== "")
      .map((e) => ({ role: e.role, content: e.text }));
  }

  clear(): void {
    this.#entries = [];
    this.list.replaceChildren();
    this.empty.hidden = false;
  }
}
