// The conversation on the page.

import type { ChatMessage, Label, Timing } from "../src/index.js";
import { make } from "./dom.js";
import { labelText, place } from "./label.js";

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

  /** Shows who gave the answer, why, and the scores. */
  label(label: Label): void {
    const attributes = { class: "where", "data-where": label.where, "data-reason": label.reason };
    this.#item.append(make("p", labelText(label), attributes));
  }

  /** Strikes a draft out: the text begins again, by another answerer. */
  replace(draft: string, by: Label): void {
    const struck = make("p", "", { class: "draft" });
    struck.append(make("span", `Withdrawn, then answered ${place(by.where)}: `), make("s", draft));
    this.#text.before(struck);
    this.#text.textContent = "";
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
