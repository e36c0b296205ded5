// The heart of the extension: owns the engine and all jobs, and serves panels and pages over ports. In Chrome it is
// an offscreen document, in Firefox the background page.
//
// It must not know which browser it runs in, nor what a panel looks like.

import { BadRequestError, clearModels, deleteAdapter, deleteModel, listModels, type PoolRef } from "../../src/index.js";
import { wireOf } from "../../src/errors.js";
import { ConsentLedger } from "../../src/offload.js";
import type { FromPanel, Job, Note, Question, Settings, Style, ToPanel } from "../messages.js";
import { pagePort, panelPort } from "../messages.js";
import { answer } from "./answer.js";
import * as database from "./database.js";
import { bundledPool, Model } from "./model.js";
import { Pages } from "./pages.js";
import { newJob, Queue, restOf, seed } from "./queue.js";

/** Milliseconds between two calls that tell the browser this page is at work. */
const aliveEvery = 20_000;

interface Panel {
  port: ExtPort;
  window: number;
}

export class Host {
  readonly #model = new Model();
  readonly #queue: Queue;
  readonly #panels = new Set<Panel>();
  readonly #pages: Pages;
  readonly #ready: Promise<void>;
  readonly #notify: (note: Note) => void;
  #saving: Promise<void> = Promise.resolve();

  /** notify reaches the router. */
  constructor(notify: (note: Note) => void) {
    this.#notify = notify;
    this.#queue = new Queue((job, signal, confirm) => this.#answer(job, signal, confirm), {
      job: (job, ahead) => this.#tellJob(job, ahead),
      text: (job, at, text) => this.#tellText(job, at, text),
    });
    this.#model.onChange = () => void this.#tellStatus();
    this.#ready = this.#queue.recover();
    const status = () => void this.#tellStatus();
    this.#pages = new Pages(this.#queue, this.#ready, () => this.#settings(), status);
    setInterval(() => void (this.#isBusy() && chrome.runtime.getPlatformInfo()), aliveEvery);
  }

  /** Takes a new port. Only the extension's own pages may speak for a panel or name an origin. */
  connect(port: ExtPort): void {
    const own =
      port.sender?.id === chrome.runtime.id && port.sender.url?.startsWith(chrome.runtime.getURL("")) === true;
    if (own && port.name === panelPort) return this.#panel(port);
    if (own && port.name.startsWith(pagePort)) return this.#pages.connect(port, port.name.slice(pagePort.length));
    const origin = port.sender?.url && new URL(port.sender.url).origin;
    if (!own && origin && origin !== "null") return this.#pages.connect(port, origin);
    port.disconnect();
  }

  /** Takes a note from the router. */
  async note(note: Extract<Note, { to: "host" }>): Promise<void> {
    await this.#ready;
    switch (note.type) {
      case "start":
        return void this.#queue.add(await this.#jobOf(note.id, note.window, note.question));
      case "offer":
        await database.set("offers", { ...(await database.get("offers")), [note.window]: note.text });
        return this.#toPanels({ type: "offer", window: note.window, text: note.text }, note.window);
      case "sample":
        return await this.#addSample(note.text);
    }
  }

  async *#answer(job: Job, signal: AbortSignal, confirm: Parameters<typeof answer>[4]) {
    const gone = AbortSignal.any([signal, this.#model.signal]);
    const settings = await this.#settings();
    yield* answer(this.#model, [...this.#queue.earlier(job), job], settings, gone, confirm);
  }

  /** The settings, with whatever was sent before this was asked. */
  async #settings(): Promise<Settings> {
    await this.#saving.catch(() => undefined);
    return (await database.get("settings")) ?? database.defaults;
  }

  async #jobOf(id: string, window: number, question: Question, after = ""): Promise<Job> {
    const { max_tokens, temperature } = await this.#settings();
    const sampling = { max_tokens, temperature, seed: seed() };
    // One that is there already, so that no chain of questions closes.
    const known = this.#queue.jobs.get(after);
    const goesOn = known?.from === "panel" && known.window === window && after !== id;
    return { ...newJob(id, "panel", window), question, sampling, ...(goesOn && { after }) };
  }

  #panel(port: ExtPort): void {
    const panel: Panel = { port, window: 0 };
    this.#panels.add(panel);
    port.onDisconnect.addListener(() => this.#panels.delete(panel));
    port.onMessage.addListener((message) => {
      const m = message as FromPanel;
      this.#hear(panel, m).catch((err: unknown) => {
        const what = m.type === "teach" || m.type === "deleteModel" ? m.type : "deleteAll";
        port.postMessage({ type: "failed", what, ...wireOf(err) } satisfies ToPanel);
      });
    });
  }

  async #hear(panel: Panel, m: FromPanel): Promise<void> {
    await this.#ready;
    switch (m.type) {
      case "hello":
        return await this.#greet(panel, m.window, m.have);
      case "start":
        return void this.#queue.add(await this.#jobOf(m.id, m.window, m.question, m.after));
      case "stop":
        return this.#queue.stop(m.id);
      case "confirm":
        return this.#queue.confirm(m.id, m.yes);
      case "allow":
        await database.set("origins", { ...(await database.get("origins")), [m.origin]: m.yes });
        this.#queue.decide(m.origin, m.yes);
        return await this.#tellStatus();
      case "settings":
        return await (this.#saving = this.#change(m.settings));
      case "teach":
        return await this.#teach(panel, m.samples);
      case "forget":
        await this.#forget();
        return await this.#tellStatus();
      case "deleteModel":
        return await this.#deleteModel(m.id);
      case "deleteAll":
        return await this.#deleteAll();
    }
  }

  // What this panel has not got yet: the answers' missing ends, the state of things, a selection that waits.
  async #greet(panel: Panel, window: number, have: Record<string, { draft: number; at: number }>): Promise<void> {
    panel.window = window;
    for (const job of this.#queue.jobs.values()) {
      if (job.from !== "panel" || job.window !== window) continue;
      const known = have[job.id];
      panel.port.postMessage({
        type: "job",
        job: { ...job, text: "" },
        ahead: this.#queue.ahead(job),
      } satisfies ToPanel);
      panel.port.postMessage(restOf(job, known));
    }
    const offer = (await database.get("offers"))?.[window];
    if (offer !== undefined) panel.port.postMessage({ type: "offer", window, text: offer } satisfies ToPanel);
    await this.#tellStatus();
    void this.#model.engine().catch(() => undefined); // the first answer comes sooner; errors show in the status
  }

  async #change(settings: Settings): Promise<void> {
    const before = (await database.get("settings")) ?? database.defaults;
    await database.set("settings", settings);
    if (before.model === settings.model) return;
    this.#queue.fail("ERR_CLOSED", "another model was chosen");
    this.#model.close("another model was chosen");
    void this.#model.engine().catch(() => undefined);
  }

  async #teach(panel: Panel, samples: string[]): Promise<void> {
    await database.set("samples", samples);
    const { model, pool } = await this.#settings();
    if (pool === "" && model !== "") {
      const why = "this model needs a pool of adapters to be taught: give its address under Model and answers";
      throw new BadRequestError("ERR_BAD_REQUEST", why);
    }
    const engine = await this.#model.engine();
    const made = await engine.customize(samples, { pool: pool || (await ownPool()) });
    await this.#forget(made.id);
    const style: Style = { id: made.id, samples: samples.length, tookMs: made.ms.total, weights: made.weights, model };
    await database.set("style", style);
    panel.port.postMessage({ type: "taught", style } satisfies ToPanel);
    await this.#tellStatus();
  }

  // A sample is a line, here and in the panel.
  async #addSample(text: string): Promise<void> {
    const sample = text.replace(/\s+/g, " ");
    await database.set("samples", [...((await database.get("samples")) ?? []), sample]);
    this.#toPanels({ type: "sample", text: sample });
  }

  /** Deletes the style that was taught before, unless it is this one. */
  async #forget(unless?: string): Promise<void> {
    const style = await database.get("style");
    if (!style || style.id === unless) return;
    await database.remove("style");
    await deleteAdapter(style.id);
  }

  // A model that is in use goes at once: whoever deletes it wants its space and its memory back.
  async #deleteModel(id: string): Promise<void> {
    const stored = (await listModels()).find((m) => m.id === id);
    const settings = await this.#settings();
    if (stored && isOf(settings.model, stored.url)) {
      const why = `the model ${stored.file} was deleted while it was in use; choose a model and ask again`;
      this.#queue.fail("ERR_CLOSED", why);
      this.#model.close(why);
      await database.set("settings", { ...settings, model: "" });
    }
    await deleteModel(id);
    this.#toPanels({ type: "deleted", all: false });
    await this.#tellStatus();
  }

  async #deleteAll(): Promise<void> {
    this.#queue.clear();
    this.#model.close("everything was deleted");
    await clearModels();
    await database.clear();
    new ConsentLedger().clear();
    this.#toPanels({ type: "deleted", all: true });
    await this.#tellStatus();
  }

  #tellJob(job: Job, ahead: number): void {
    if (job.from !== "panel") return this.#pages.tellJob(job, ahead);
    this.#toPanels({ type: "job", job: { ...job, text: "" }, ahead }, job.window);
  }

  #tellText(job: Job, at: number, text: string): void {
    if (job.from !== "panel") return this.#pages.tellText(job, at, text);
    this.#toPanels({ type: "text", id: job.id, draft: job.draft, at, text }, job.window);
  }

  async #tellStatus(): Promise<void> {
    const waiting = [...this.#queue.jobs.values()].filter((j) => j.state === "approval").map((j) => j.from);
    const approvals = [...new Set(waiting)];
    const kept = await database.get("style");
    const status = { ...this.#model.status, approvals, ...(kept && { style: kept }) };
    this.#toPanels({ type: "status", status });
    this.#notify({ to: "router", type: "badge", n: approvals.length });
  }

  #toPanels(message: ToPanel, window?: number): void {
    for (const p of this.#panels) if (window === undefined || p.window === window) p.port.postMessage(message);
  }

  #isBusy(): boolean {
    return [...this.#queue.jobs.values()].some((j) => j.state === "running" || j.state === "queued");
  }
}

/** The pool in the package, whose server, the browser, does not say how long its files are. */
async function ownPool(): Promise<PoolRef> {
  const url = chrome.runtime.getURL(bundledPool);
  return { url, size: (await (await fetch(url)).arrayBuffer()).byteLength };
}

/** Whether a stored file came from a model's reference: its address, or owner/repo with or without more. */
function isOf(ref: string, url: string): boolean {
  return ref !== "" && (url === ref || url.includes(`/${ref.split(/[:@]/)[0]}/resolve/`));
}
