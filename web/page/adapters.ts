// Adapters and their sliders.

import { type Customized, type Engine, listAdapters, type LoraScale, type Region } from "../src/index.js";
import { byId, make } from "./dom.js";

/** Loads adapters and mixes them. */
export class AdapterPanel {
  readonly #scales = new Map<string, number>();
  readonly #regions = new Map<string, Region>();
  readonly #engine: () => Engine | undefined;
  readonly #say: (text: string, isError?: boolean) => void;
  readonly #changed: () => void;

  /** `changed` hears whenever the mix does. */
  constructor(engine: () => Engine | undefined, say: (text: string, isError?: boolean) => void, changed: () => void) {
    this.#engine = engine;
    this.#say = say;
    this.#changed = changed;
    const input = byId("adapter-file", HTMLInputElement);
    input.onchange = () => {
      const file = input.files?.[0];
      input.value = "";
      if (file) void this.add(file);
    };
    const form = byId("customize", HTMLFormElement);
    form.onsubmit = (event) => {
      event.preventDefault();
      void this.customize(byId("samples", HTMLTextAreaElement).value);
    };
  }

  /** Makes an adapter of what was typed, one sample a line, from the pool that comes with the page. */
  async customize(text: string): Promise<void> {
    const samples = text.split("\n").filter((line) => line.trim() !== "");
    const button = byId("customize-run", HTMLButtonElement);
    button.disabled = true;
    try {
      const made = await this.#engine()?.customize(samples, { pool: "./pool/pool.json" });
      if (!made) return;
      if (made.region) this.#regions.set(made.id, made.region);
      this.#scales.set(made.id, 1);
      this.#row(made.id, `from ${samples.length} samples`);
      this.#weights(made);
      const ms = Math.round(made.ms.embed + made.ms.blend);
      this.#say(`Your adapter is ready: made in ${ms} ms, nothing was uploaded.`);
    } catch (err) {
      this.#say(err instanceof Error ? err.message : String(err), true);
    } finally {
      button.disabled = false;
    }
  }

  /** Offers the adapters that were made for this model before; their sliders begin at 0. */
  async restore(): Promise<void> {
    const model = this.#engine()?.model?.name;
    for (const made of (await listAdapters().catch(() => [])).filter((a) => a.model === model)) {
      if (this.#scales.has(made.id)) continue;
      if (made.region) this.#regions.set(made.id, made.region);
      this.#scales.set(made.id, 0);
      this.#row(made.id, "made before", 0);
    }
  }

  /** How much of each of the pool's adapters went in, the most first. */
  #weights({ adapters, weights }: Customized): void {
    const parts = adapters.map((name, i) => ({ name, weight: weights[i] ?? 0 })).sort((a, b) => b.weight - a.weight);
    const items = parts.slice(0, 4).map(({ name, weight }) => make("li", `${name}: ${Math.round(100 * weight)} %`));
    byId("weights", HTMLUListElement).replaceChildren(...items);
  }

  /** The mix for the next request. */
  mix(): LoraScale[] {
    return [...this.#scales].filter(([, scale]) => scale !== 0).map(([id, scale]) => ({ id, scale }));
  }

  /** Where the samples lie of the adapter in use that was made of samples, of several the strongest. */
  region(): Region | undefined {
    const made = this.mix().filter(({ id }) => this.#regions.has(id));
    const strongest = made.sort((a, b) => b.scale - a.scale)[0];
    return strongest && this.#regions.get(strongest.id);
  }

  /** Forgets all adapters: their model is gone. */
  reset(): void {
    this.#scales.clear();
    this.#regions.clear();
    byId("adapters", HTMLDivElement).replaceChildren();
    byId("weights", HTMLUListElement).replaceChildren();
    byId("no-adapters", HTMLParagraphElement).hidden = false;
  }

  async add(file: File): Promise<void> {
    const id = file.name;
    try {
      const info = await this.#engine()?.loadAdapter(id, file);
      if (!info) return;
      this.#scales.set(id, 1);
      this.#row(id, `rank ${info.rank}`);
      this.#say(`Adapter ${id} is ready.`);
    } catch (err) {
      this.#say(err instanceof Error ? err.message : String(err), true);
    }
  }

  #row(id: string, about: string, scale = 1): void {
    byId("no-adapters", HTMLParagraphElement).hidden = true;
    const list = byId("adapters", HTMLDivElement);
    for (const row of list.children) if (row.getAttribute("data-id") === id) row.remove();
    const label = make("label", `${id}, ${about} `, { "data-id": id });
    const value = make("output", scale.toFixed(1));
    const slider = make("input", "", { type: "range", min: "-1", max: "2", step: "0.1", value: String(scale) });
    slider.oninput = () => {
      value.textContent = slider.valueAsNumber.toFixed(1);
      this.#scales.set(id, slider.valueAsNumber);
      this.#changed();
    };
    label.append(value, slider);
    list.append(label);
    this.#changed();
  }
}
