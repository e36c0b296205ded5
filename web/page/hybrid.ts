// Where answers may come from: the panel "Hybrid", and the answers themselves.

import {
  type AnsweringEngine,
  type ChatCompletionChunk,
  ConsentLedger,
  type Device,
  type DeviceOptions,
  Hybrid,
  type HybridEvent,
  type Mode,
  type Region,
  type ServerOptions,
  type Turn,
  engineDevice,
  offload,
} from "../src/index.js";
import { BudgetPanel } from "./budget.js";
import { ConsentDialog } from "./consent.js";
import { byId } from "./dom.js";
import { because } from "./label.js";

/** How the device answers now. */
export interface Setting {
  engine: AnsweringEngine;
  params: NonNullable<DeviceOptions["params"]>;
  /** Of the customisation in use. */
  region: Region | undefined;
}

/** One question. */
export interface Question extends Setting {
  messages: readonly Turn[];
  signal: AbortSignal;
  /** Hears every chunk of the device's own answer, for its figures. */
  onChunk: (chunk: ChatCompletionChunk) => void;
}

/** Stands in while no server is given: mode local never asks it. */
const nowhere = "http://localhost/v1";

/** Routes answers by what the panel says. The key is kept in memory only, address and model for this tab's session. */
export class HybridPanel {
  readonly #mode = byId("mode", HTMLSelectElement);
  readonly #url = byId("server-url", HTMLInputElement);
  readonly #model = byId("server-model", HTMLInputElement);
  readonly #key = byId("server-key", HTMLInputElement);
  readonly #ledger = new ConsentLedger();
  readonly #dialog = new ConsentDialog(this.#ledger);
  /** Of the server now given: it remembers how the server did. */
  #hybrid: Hybrid | undefined;
  #server: ServerOptions = { url: "", model: "" };
  #question: Question | undefined;
  readonly #budget: BudgetPanel;

  /** The setting is asked for when the user calibrates; there is none without a model. */
  constructor(setting: () => Setting | undefined) {
    this.#budget = new BudgetPanel(() => {
      const now = setting();
      return now && { device: engineDevice(now.engine, now), region: now.region };
    });
    for (const input of [this.#url, this.#model]) {
      input.value = sessionStorage.getItem(`pastel-${input.id}`) ?? "";
      input.oninput = () => {
        sessionStorage.setItem(`pastel-${input.id}`, input.value);
        this.#hybrid = undefined;
        this.#showConsent();
      };
    }
    this.#mode.onchange = () => void this.#modeChosen();
    byId("allow", HTMLButtonElement).onclick = () => void this.#offer();
    byId("revoke", HTMLButtonElement).onclick = () => {
      this.#ledger.revoke(this.#address());
      this.#showConsent();
    };
    addEventListener("storage", () => this.#showConsent()); // another tab allowed or revoked
    this.#showConsent();
  }

  /** Answers a question. Rejects as Hybrid.answer does, and when a server is wanted and its address is missing. */
  async *answer(question: Question): AsyncGenerator<HybridEvent, void, undefined> {
    if (this.#chosen() !== "local" && this.#host() === undefined) {
      throw new Error("Give the server's address first: https://…/v1, or http:// on this device.");
    }
    this.#question = question;
    this.#hybrid ??= this.#connect();
    this.#hybrid.policy = { mode: this.#chosen(), ...this.#budget.cuts(question.region) };
    this.#server.maxTokens = question.params.max_tokens ?? 200;
    yield* this.#hybrid.answer(question.messages, question.signal);
  }

  /** The model, or what it was customised with, is another: a calibration no longer holds. */
  changed(why: string): void {
    this.#budget.reset(why);
  }

  /** Forgets the server and what may be sent where. */
  forget(): void {
    this.#ledger.clear();
    for (const input of [this.#url, this.#model, this.#key]) {
      input.value = "";
      sessionStorage.removeItem(`pastel-${input.id}`);
    }
    this.#hybrid = undefined;
    this.#showConsent();
  }

  #connect(): Hybrid {
    this.#server = {
      url: this.#host() === undefined ? nowhere : this.#address(),
      model: this.#model.value.trim(),
      token: () => this.#key.value.trim(),
    };
    return new Hybrid({
      server: this.#server,
      policy: { mode: "local" },
      consent: this.#ledger,
      device: {
        before: async (messages, signal) => (await this.#device().before?.(messages, signal)) ?? {},
        answer: (messages, signal) => this.#device().answer(messages, signal),
      },
      confirm: async (_host, reason, signal) => {
        const yes = await this.#dialog.ask(this.#address(), `For this message: ${because(reason)}.`, signal);
        this.#showConsent();
        return yes;
      },
    });
  }

  #device(): Device {
    const { engine, params, region, onChunk } = this.#question!;
    return engineDevice(overheard(engine, onChunk), { params, region });
  }

  #chosen(): Mode {
    return this.#mode.value as Mode;
  }

  #address(): string {
    return this.#url.value.trim();
  }

  /** The server's host, when its address is one. */
  #host(): string | undefined {
    try {
      return offload.serverHost(this.#address());
    } catch {
      return undefined;
    }
  }

  async #modeChosen(): Promise<void> {
    this.#showConsent();
    const needed = this.#chosen() === "hybrid" || this.#chosen() === "server";
    if (needed && this.#host() !== undefined && !this.#ledger.has(this.#address())) await this.#offer();
  }

  async #offer(): Promise<void> {
    if (this.#host() === undefined) return;
    const when = this.#chosen() === "ask" ? "You are asked again for every message." : "Until you revoke it.";
    await this.#dialog.ask(this.#address(), when);
    this.#showConsent();
  }

  #showConsent(): void {
    const host = this.#host();
    const allowed = host !== undefined && this.#ledger.has(this.#address());
    byId("allow", HTMLButtonElement).hidden = host === undefined || allowed;
    byId("revoke", HTMLButtonElement).hidden = !allowed;
    let text = "No server is given. Nothing is sent.";
    if (allowed) {
      const all = this.#ledger.check(this.#address()) === "conversation";
      text = `Messages may be sent to ${host}: ${all ? "whole conversations" : "only the last message"}.`;
    } else if (host !== undefined) text = `Nothing is sent to ${host} unless you allow it.`;
    byId("consent", HTMLParagraphElement).textContent = text;
  }
}

/** An engine whose chunks are heard as they pass. */
function overheard(engine: AnsweringEngine, hear: (chunk: ChatCompletionChunk) => void): AnsweringEngine {
  return {
    embeddings: engine.embeddings,
    chat: {
      completions: {
        choose: (params, options) => engine.chat.completions.choose(params, options),
        create: async (params, options) => {
          const asked = { ...params, stream_options: { include_usage: true } };
          return passing(await engine.chat.completions.create(asked, options), hear);
        },
      },
    },
  };
}

async function* passing<T>(items: AsyncIterable<T>, hear: (item: T) => void): AsyncGenerator<T, void, undefined> {
  for await (const item of items) {
    hear(item);
    yield item;
  }
}
