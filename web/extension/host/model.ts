// The one engine of the extension: loaded with the first question, loaded anew when the user chooses another model,
// gone when that model is deleted.

import { ClosedError, Engine, type ModelRef, type Progress } from "../../src/index.js";
import { wireOf } from "../../src/errors.js";
import type { Status } from "../messages.js";
import * as database from "./database.js";

/** The model that is part of the package. */
export const bundled = "models/stories260K.gguf";
/** Its pool of adapters. */
export const bundledPool = "pool/pool.json";

export class Model {
  /** Called whenever `status` changed. */
  onChange: () => void = () => undefined;
  status: Pick<Status, "model" | "loading" | "engine" | "error" | "chat"> = { model: "", chat: false };
  #engine: Promise<Engine> | undefined;
  #ref: string | undefined;
  #stop = new AbortController();

  /** Aborted when this engine goes: its reason says why. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The engine with the chosen model. Rejects with what Engine.create rejects with. */
  async engine(): Promise<Engine> {
    const { model } = (await database.get("settings")) ?? database.defaults;
    if (this.#engine && this.#ref === model) return await this.#engine;
    if (this.#engine) this.close("another model was chosen");
    this.#ref = model;
    const made = (this.#engine = this.#load(model, this.#stop.signal));
    made.catch((err: unknown) => this.#engine === made && this.#fail(err));
    return await made;
  }

  /** Ends the engine and gives its memory back; what runs fails and says why. */
  close(why: string): void {
    this.#stop.abort(new ClosedError("ERR_CLOSED", why));
    this.#stop = new AbortController();
    void this.#engine?.then((e) => e.close()).catch(() => undefined);
    this.#engine = undefined;
    this.#ref = undefined;
    this.#set({ model: "", chat: false });
  }

  async #load(model: string, signal: AbortSignal): Promise<Engine> {
    this.#set({ model: "", chat: false, loading: { phase: "load", file: model, loaded: 0, total: 0, ratio: 0 } });
    const onProgress = (loading: Progress) => !signal.aborted && this.#set({ model: "", chat: false, loading });
    const ref: ModelRef = model === "" ? await bundledModel() : model;
    const engine = await Engine.create({ model: ref, onProgress, signal });
    engine.onRestart = (why) =>
      this.#set({ ...this.status, error: { code: "ERR_CRASH", message: `The engine was started again: ${why}` } });
    const chat = Boolean(engine.model?.chatTemplate);
    this.#set({ model: engine.model?.name || model, chat, engine: { ...engine.state } });
    return engine;
  }

  #fail(err: unknown): void {
    this.#engine = undefined;
    this.#ref = undefined;
    if (!(err instanceof ClosedError)) this.#set({ model: "", chat: false, error: wireOf(err) });
  }

  #set(status: Model["status"]): void {
    this.status = status;
    this.onChange();
  }
}

// Read whole and not stored again: it is on disk already.
async function bundledModel(): Promise<File> {
  const response = await fetch(chrome.runtime.getURL(bundled));
  return new File([await response.arrayBuffer()], "stories260K.gguf");
}
