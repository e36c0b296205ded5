// Adapters and their sliders.

import type { Engine, LoraScale } from "../src/index.js";
import { byId, make } from "./dom.js";

/** Loads adapters and mixes them. */
export class AdapterPanel {
  readonly #scales = new Map<string, number>();
  readonly #engine: () => Engine | undefined;
  readonly #say: (text: string, isError?: boolean) => void;

  constructor(engine: () => Engine | undefined, say: (text: string, isError?: boolean) => void) {
    this.#engine = engine;
    this.#say = say;
    const input = byId("adapter-file", HTMLInputElement);
    input.onchange = () => {
      const file = input.files?.[0];
      input.value = "";
      if (file) void this.add(file);
    };
  }

  /** The mix for the next request. */
  mix(): LoraScale[] {
    return [...this.#scales].filter(([, scale]) => scale !== 0).map(([id, scale]) => ({ id, scale }));
  }

  /** Forgets all adapters: their model is gone. */
  reset(): void {
    this.#scales.clear();
    byId("adapters", HTMLDivElement).replaceChildren();
    byId("no-adapters", HTMLParagraphElement).hidden = false;
  }

  async add(file: File): Promise<void> {
    const id = file.name;
    try {
      const info = await this.#engine()?.loadAdapter(id, file);
      if (!info) return;
      this.#scales.set(id, 1);
      this.#row(id, info.rank);
      this.#say(`Adapter ${id} is ready.`);
    } catch (err) {
      this.#say(err instanceof Error ? err.message : String(err), true);
    }
  }

  #row(id: string, rank: number): void {
    byId("no-adapters", HTMLParagraphElement).hidden = true;
    const label = make("label", `${id}, rank ${rank} `);
    const value = make("output", "1.0");
    const slider = make("input", "", { type: "range", min: "-1", max: "2", step: "0.1", value: "1" });
    slider.oninput = () => {
      value.textContent = slider.valueAsNumber.toFixed(1);
      this.#scales.set(id, slider.valueAsNumber);
    };
    label.append(value, slider);
    byId("adapters", HTMLDivElement).append(label);
  }
}
