// The question whether something may be sent to a host, and what is recorded of the answer.

import { offload } from "../src/index.js";
import { byId } from "./dom.js";

/** Names the text of the dialog in the record; change it with the text. */
const notice = "demo page, November 2026";

/** The dialog. One question at a time. */
export class ConsentDialog {
  readonly #dialog = byId("consent-dialog", HTMLDialogElement);
  readonly #all = byId("consent-all", HTMLInputElement);
  readonly #ledger: offload.ConsentLedger;

  constructor(ledger: offload.ConsentLedger) {
    this.#ledger = ledger;
    byId("consent-yes", HTMLButtonElement).onclick = () => this.#dialog.close("yes");
    byId("consent-no", HTMLButtonElement).onclick = () => this.#dialog.close("no");
    // Escape means no here; it does not also stop the answer.
    this.#dialog.onkeydown = (event) => event.stopPropagation();
  }

  /** Asks, records a yes, and resolves with it. A signal that fires counts as no. */
  async ask(url: string, why: string, signal?: AbortSignal): Promise<boolean> {
    const host = offload.serverHost(url);
    byId("consent-title", HTMLHeadingElement).textContent = `Send to ${host}?`;
    byId("consent-why", HTMLParagraphElement).textContent = why;
    this.#all.checked = this.#ledger.has(url) && this.#ledger.check(url) === "conversation";
    this.#dialog.returnValue = "no";
    const closed = new Promise((resolve) => this.#dialog.addEventListener("close", resolve, { once: true }));
    const stop = () => this.#dialog.close("no");
    signal?.addEventListener("abort", stop, { once: true });
    this.#dialog.showModal();
    await closed;
    refocus();
    signal?.removeEventListener("abort", stop);
    if (this.#dialog.returnValue !== "yes") return false;
    this.#ledger.grant(url, this.#all.checked ? "conversation" : "last-turn", notice);
    return true;
  }
}

/**
 * Gives whatever has the focus its caret back. A closing dialog returns the focus, but in Chromium not the caret,
 * once the mouse has moved that into the dialog: the message box would then take no typing.
 */
function refocus(): void {
  const focused = document.activeElement;
  if (!(focused instanceof HTMLElement)) return;
  focused.blur();
  focused.focus({ preventScroll: true });
}
