// One question and its growing answer in the panel.

import { make } from "../../page/dom.js";
import { labelText } from "../../page/label.js";
import type { Job, Position } from "../messages.js";

const titles = { summarise: "Summarise", rewrite: "Rewrite", ask: "" };

export class Card {
  readonly item = make("li", "", { class: "message assistant", "aria-busy": "true" });
  job: Job;
  #draft = 0;
  readonly #text = make("p", "", { class: "text" });
  readonly #foot = make("div");
  readonly #onConfirm: (yes: boolean) => void;

  constructor(job: Job, onConfirm: (yes: boolean) => void) {
    this.job = job;
    this.#onConfirm = onConfirm;
    const { task, ask, text } = job.question ?? { task: "ask" as const, ask: "", text: "" };
    this.item.append(make("p", titles[task] || ask, { class: "asked" }));
    // A page's words are only ever shown as text.
    if (text !== "") this.item.append(make("blockquote", text));
    this.item.append(this.#text, this.#foot);
  }

  get position(): Position {
    return { draft: this.#draft, at: this.text.length };
  }

  get text(): string {
    return this.#text.textContent ?? "";
  }

  /** Takes a piece of the answer; what is there already is not taken twice. */
  take(draft: number, at: number, text: string): void {
    if (draft !== this.#draft) {
      this.#draft = draft;
      this.#text.textContent = "";
    }
    this.#text.append(text.slice(Math.max(0, this.text.length - at)));
  }

  /** Shows what is known of the job. */
  show(job: Job, ahead: number): void {
    this.job = job;
    const over = job.state === "done" || job.state === "failed" || job.state === "stopped";
    this.item.dataset["state"] = job.state;
    if (over) this.item.removeAttribute("aria-busy");
    this.#foot.replaceChildren(...this.#footer(job, ahead));
  }

  #footer(job: Job, ahead: number): HTMLElement[] {
    switch (job.state) {
      case "queued":
        return [make("p", ahead > 0 ? `Waiting for ${ahead} other question${ahead > 1 ? "s" : ""}` : "Waiting", where)];
      case "confirm":
        return this.#question(job.asks ?? "");
      case "failed":
        return [make("p", job.error?.message ?? "It failed.", { class: "failed", title: job.error?.code ?? "" })];
      case "stopped":
        return [make("p", "Stopped", where)];
      case "done":
        return [make("p", labelOf(job), where), this.#copy()];
      default:
        return job.label && job.label.where !== "device" ? [make("p", labelOf(job), where)] : [];
    }
  }

  #question(host: string): HTMLElement[] {
    const row = make("div", "", { class: "row" });
    for (const [label, yes] of [
      ["Ask the server", true],
      ["Keep it here", false],
    ] as const) {
      const b = make("button", label, { type: "button" });
      b.onclick = () => this.#onConfirm(yes);
      row.append(b);
    }
    return [make("p", `The model here is not sure. Send this question to ${host}?`), row];
  }

  #copy(): HTMLElement {
    const b = make("button", "Copy", { type: "button", class: "quiet" });
    b.onclick = () => void navigator.clipboard.writeText(this.text).then(() => (b.textContent = "Copied"));
    return b;
  }
}

const where = { class: "where" };

function labelOf({ label, style }: Job): string {
  return label === undefined ? "" : labelText(label, style ? "on this device in your style" : "on this device");
}
