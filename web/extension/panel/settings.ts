// The panel's folded parts: style, model, server with its consent, pages.

import { listModels } from "../../src/index.js";
import { ConsentLedger, type Extent, type Mode, serverHost } from "../../src/offload.js";
import { byId, make, megabytes } from "../../page/dom.js";
import * as database from "../host/database.js";
import type { FromPanel, Settings, Style } from "../messages.js";

/** What the user reads before agreeing; its name is kept with the consent. */
const notice = "extension-2";

export class SettingsPart {
  readonly #send: (m: FromPanel) => void;
  readonly #say: (text: string, isError?: boolean) => void;
  readonly #ledger = new ConsentLedger();
  #settings: Settings = database.defaults;

  constructor(send: (m: FromPanel) => void, say: (text: string, isError?: boolean) => void) {
    this.#send = send;
    this.#say = say;
    this.#listen();
  }

  /** Shows what is stored; the samples only if asked for, since they may be half written here. */
  async fill(samples: boolean): Promise<void> {
    this.#settings = (await database.get("settings")) ?? database.defaults;
    const { model, max_tokens, temperature, style, server } = this.#settings;
    byId("model", HTMLInputElement).value = model;
    byId("pool", HTMLInputElement).value = this.#settings.pool;
    byId("max-tokens", HTMLInputElement).value = String(max_tokens);
    byId("temperature", HTMLInputElement).value = String(temperature);
    byId("style-on", HTMLInputElement).checked = style;
    byId("server-mode", HTMLSelectElement).value = server.mode;
    byId("server-url", HTMLInputElement).value = server.url;
    byId("server-model", HTMLInputElement).value = server.model;
    byId("threshold", HTMLInputElement).value = String(server.threshold);
    byId("extent", HTMLSelectElement).value = server.extent;
    this.#showConsent();
    if (samples) byId("samples", HTMLTextAreaElement).value = ((await database.get("samples")) ?? []).join("\n");
  }

  /** Shows a sample that was added on a page. */
  addSample(text: string): void {
    const samples = byId("samples", HTMLTextAreaElement);
    samples.value = [samples.value.trimEnd(), text].filter((s) => s !== "").join("\n");
  }

  /** Says what was learned, and when nothing was. */
  showStyle(style: Style | undefined): void {
    byId("forget", HTMLButtonElement).disabled = style === undefined;
    byId("style-state", HTMLParagraphElement).textContent = style
      ? `Learned from ${style.samples} samples in ${Math.round(style.tookMs)} ms.`
      : "Nothing learned yet.";
  }

  async showStored(): Promise<void> {
    const rows = (await listModels()).map((m) => {
      const row = make("li", `${m.file} – ${megabytes(m.stored)}`);
      const remove = make("button", "Delete", { type: "button", class: "quiet", "aria-label": `Delete ${m.file}` });
      remove.onclick = () => this.#send({ type: "deleteModel", id: m.id });
      row.append(remove);
      return row;
    });
    const none = [make("li", "Only the bundled model.")];
    byId("stored", HTMLUListElement).replaceChildren(...(rows.length > 0 ? rows : none));
  }

  async showOrigins(): Promise<void> {
    const rows = Object.entries((await database.get("origins")) ?? {}).map(([origin, yes]) => {
      const row = make("li", `${origin}: ${yes ? "allowed" : "refused"}`);
      const change = make("button", yes ? "Refuse" : "Allow", { type: "button", class: "quiet" });
      change.onclick = () => this.#send({ type: "allow", origin, yes: !yes });
      row.append(change);
      return row;
    });
    byId("origins", HTMLUListElement).replaceChildren(...(rows.length > 0 ? rows : [make("li", "None asked yet.")]));
  }

  #listen(): void {
    const submit = (id: string, f: () => void) =>
      (byId(id, HTMLFormElement).onsubmit = (event) => {
        event.preventDefault();
        f();
      });
    submit("model-form", () => this.#save({ model: byId("model", HTMLInputElement).value.trim() }));
    submit("server-form", () => this.#saveServer());
    byId("pool", HTMLInputElement).onchange = () => this.#save({ pool: byId("pool", HTMLInputElement).value.trim() });
    byId("max-tokens", HTMLInputElement).onchange = () =>
      this.#save({ max_tokens: within(byId("max-tokens", HTMLInputElement), 1, 4096, 200) });
    byId("temperature", HTMLInputElement).onchange = () =>
      this.#save({ temperature: within(byId("temperature", HTMLInputElement), 0, 2, 0.7) });
    byId("style-on", HTMLInputElement).onchange = () =>
      this.#save({ style: byId("style-on", HTMLInputElement).checked });
    byId("teach", HTMLButtonElement).onclick = () => this.#teach();
    byId("forget", HTMLButtonElement).onclick = () => this.#send({ type: "forget" });
    byId("delete-all", HTMLButtonElement).onclick = () => this.#send({ type: "deleteAll" });
  }

  #teach(): void {
    const lines = byId("samples", HTMLTextAreaElement).value.split("\n");
    const samples = lines.map((s) => s.trim()).filter((s) => s !== "");
    if (samples.length === 0) return this.#say("Write at least one sample first.", true);
    this.#say("Learning…");
    this.#send({ type: "teach", samples });
  }

  #save(change: Partial<Settings>): void {
    this.#settings = { ...this.#settings, ...change };
    this.#send({ type: "settings", settings: this.#settings });
  }

  #saveServer(): void {
    const url = byId("server-url", HTMLInputElement).value.trim().replace(/\/$/, "");
    try {
      if (url !== "") serverHost(url);
    } catch (err) {
      return this.#say(err instanceof Error ? err.message : String(err), true);
    }
    const mode = byId("server-mode", HTMLSelectElement).value as Mode;
    const extent = byId("extent", HTMLSelectElement).value as Extent;
    const threshold = within(byId("threshold", HTMLInputElement), 0, 1, 0.5);
    this.#save({
      server: { mode, url, extent, threshold, model: byId("server-model", HTMLInputElement).value.trim() },
    });
    this.#showConsent();
  }

  #showConsent(): void {
    const { url, extent } = this.#settings.server;
    const box = byId("consent", HTMLDivElement);
    if (url === "") return box.replaceChildren();
    const agreed = this.#ledger.has(url);
    const host = serverHost(url);
    const what =
      extent === "conversation"
        ? "your question with its selected text and instructions, and the questions and answers it goes on from,"
        : "your question with its selected text";
    const text = agreed ? `You agreed to send ${what} to ${host}.` : `If you agree, ${what} may be sent to ${host}.`;
    const button = make("button", agreed ? "Take it back" : `Agree for ${host}`, { type: "button" });
    button.onclick = () => {
      if (agreed) this.#ledger.revoke(url);
      else this.#ledger.grant(url, extent, notice);
      this.#showConsent();
    };
    box.replaceChildren(make("p", text, { class: "note" }), button);
  }
}

function within(input: HTMLInputElement, low: number, high: number, otherwise: number): number {
  const v = input.valueAsNumber;
  return v >= low && v <= high ? v : otherwise;
}
