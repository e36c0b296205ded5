// The demo page: a conversation with a model inside the page. It uses nothing
// but what the package exports.

import {
  clearModels,
  deleteModel,
  Engine,
  type Label,
  listModels,
  type ModelRef,
  type Progress,
  storageEstimate,
} from "../src/index.js";
import { AdapterPanel } from "./adapters.js";
import { byId, make, megabytes } from "./dom.js";
import { HybridPanel, type Setting } from "./hybrid.js";
import { Log } from "./log.js";
import { offers } from "./models.js";
import { startTheme } from "./theme.js";

const log = new Log(byId("log", HTMLOListElement), byId("empty", HTMLDivElement));
const status = byId("status", HTMLParagraphElement);
const prompt = byId("prompt", HTMLTextAreaElement);
const send = byId("send", HTMLButtonElement);
const stop = byId("stop", HTMLButtonElement);
const picker = byId("picker", HTMLSelectElement);
const custom = byId("custom", HTMLFormElement);
const fileLabel = byId("file-label", HTMLLabelElement);
const temperature = byId("temperature", HTMLInputElement);
const maxTokens = byId("max-tokens", HTMLInputElement);
const hybrid = new HybridPanel(() => setting());
const adapters = new AdapterPanel(
  () => engine,
  say,
  () => hybrid.changed("The adapters changed: calibrate again."),
);

let engine: Engine | undefined;
let loading: AbortController | undefined;
let answering: AbortController | undefined;

function say(text: string, isError = false): void {
  status.textContent = text;
  status.classList.toggle("error", isError);
}

function complain(err: unknown): void {
  if (err instanceof DOMException && err.name === "AbortError") return say("Stopped.");
  say(err instanceof Error ? err.message : String(err), true);
}

/** Loads a model in place of the one that is there. */
async function load(ref: ModelRef): Promise<void> {
  loading?.abort();
  const mine = (loading = new AbortController());
  engine?.close();
  engine = undefined;
  setBusy();
  showLoading(true);
  try {
    const made = await Engine.create({ model: ref, signal: mine.signal, onProgress: showProgress });
    made.onRestart = (reason) => say(`The engine stopped and was started again: ${reason}`, true);
    engine = made;
    log.clear();
    hybrid.changed("");
    adapters.reset();
    await adapters.restore();
    say(`${made.model?.name || "The model"} is ready.`);
  } catch (err) {
    complain(err);
  } finally {
    if (loading === mine) {
      loading = undefined;
      showLoading(false);
    }
    setBusy();
    await showFacts();
    await showStorage();
  }
}

function showLoading(on: boolean): void {
  byId("loading", HTMLDivElement).hidden = !on;
  if (on) showProgress({ phase: "download", file: "", loaded: 0, total: 0, ratio: 0 });
}

/** When the last load phase began, and how fast it went. */
let loadBegan = 0;
let loadRate = "";

const phases = { download: "Downloading", verify: "Checking", load: "Loading", warmup: "Warming up" };

function showProgress(p: Progress): void {
  byId("progress", HTMLProgressElement).value = p.ratio;
  if (p.phase === "load" && p.ratio === 0) loadBegan = performance.now();
  if (p.phase === "load" && p.ratio === 1) {
    loadRate = ` Read into memory at ${megabytes((p.total / (performance.now() - loadBegan)) * 1000)}/s.`;
  }
  const size = p.total > 0 ? ` ${megabytes(p.loaded)} of ${megabytes(p.total)}` : "";
  byId("progress-label", HTMLLabelElement).textContent = `${phases[p.phase]}${size}`;
}

/** How the device answers now, if there is a model. */
function setting(): Setting | undefined {
  const params = {
    temperature: temperature.valueAsNumber,
    max_tokens: maxTokens.valueAsNumber || 200,
    lora: adapters.mix(),
  };
  return engine && { engine, params, region: adapters.region() };
}

/** Sends what was written and shows the answer as it comes. */
async function ask(text: string): Promise<void> {
  text = text.trim();
  if (!engine || answering || text === "") return;
  answering = new AbortController();
  setBusy();
  say("Answering…");
  log.add("user", text);
  const answer = log.add("assistant", "");
  const began = performance.now();
  let firstMs = 0;
  let label: Label | undefined;
  byId("figures", HTMLDListElement).replaceChildren();
  try {
    const events = hybrid.answer({
      ...setting()!,
      messages: log.messages(),
      signal: answering.signal,
      onChunk: (chunk) => {
        if (chunk.x_timing) answer.timing = chunk.x_timing;
        if (chunk.usage && answer.timing) showFigures(chunk.usage, answer.timing, firstMs);
      },
    });
    for await (const event of events) {
      label = event.label;
      if (event.type === "replace") answer.replace(event.draft, label);
      if (event.type !== "text") continue;
      if (firstMs === 0) firstMs = performance.now() - began;
      answer.append(event.text);
    }
    say("Answer complete.");
  } catch (err) {
    complain(err);
  } finally {
    if (label) answer.label(label);
    answer.finish();
    answering = undefined;
    setBusy();
    await showFacts();
    prompt.focus();
  }
}

function showFigures(
  usage: { prompt_tokens: number; completion_tokens: number; prompt_tokens_details: { cached_tokens: number } },
  timing: { prefill_ms: number; decode_ms: number },
  firstMs: number,
): void {
  const rate = (n: number, ms: number) => (n > 0 && ms > 0 ? `${((n / ms) * 1000).toFixed(1)} tokens/s` : "–");
  const computed = usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens;
  const rows: [string, string][] = [
    ["Reading", rate(computed, timing.prefill_ms)],
    ["Writing", rate(usage.completion_tokens, timing.decode_ms)],
    ["First word after", `${Math.round(firstMs)} ms`],
    ["Tokens", `${usage.prompt_tokens} + ${usage.completion_tokens}`],
    ["Reused", `${usage.prompt_tokens_details.cached_tokens}`],
  ];
  const nodes = rows.flatMap(([k, v]) => [make("dt", k), make("dd", v)]);
  byId("figures", HTMLDListElement).replaceChildren(...nodes);
}

/** Flavour, threads and memory, in the header. */
async function showFacts(): Promise<void> {
  const list = byId("facts", HTMLUListElement);
  if (!engine) return list.replaceChildren();
  const { flavour, threads, singleThreadReason } = engine.state;
  const facts = [
    make("li", flavour === "relaxed" ? "relaxed SIMD" : "SIMD128"),
    make(
      "li",
      threads === 1 ? "1 thread" : `${threads} threads`,
      singleThreadReason ? { title: singleThreadReason } : {},
    ),
  ];
  if (engine.model) facts.push(make("li", `${megabytes(engine.model.weightBytes)} ${engine.model.format}`));
  const stats = await engine.stats().catch(() => undefined);
  if (stats) facts.push(make("li", `${megabytes(stats.memoryBytes)} memory`));
  list.replaceChildren(...facts);
}

async function showStorage(): Promise<void> {
  const [models, space] = await Promise.all([listModels(), storageEstimate()]);
  const rows = models.map((m) => {
    const row = make("li", `${m.file} – ${megabytes(m.stored)}${m.complete ? "" : ` of ${megabytes(m.size)}`}`);
    const remove = make("button", "Delete", { type: "button", class: "quiet", "aria-label": `Delete ${m.file}` });
    remove.onclick = () => deleteModel(m.id).then(showStorage, complain);
    row.append(remove);
    return row;
  });
  byId("stored", HTMLUListElement).replaceChildren(...rows);
  const kept = space.persistent ? "kept until you delete it" : "the browser may remove it when space runs low";
  byId("space", HTMLParagraphElement).textContent = `${megabytes(space.usedBytes)} used, ${kept}.${loadRate}`;
}

function setBusy(): void {
  send.disabled = !engine || answering !== undefined;
  stop.disabled = answering === undefined;
  for (const b of byId("examples", HTMLDivElement).querySelectorAll("button")) b.disabled = send.disabled;
}

function choose(value: string): void {
  custom.hidden = value !== "custom";
  fileLabel.hidden = value !== "file";
  const offer = offers.find((o) => o.ref === value);
  byId("hint", HTMLParagraphElement).textContent = offer?.hint ?? "Load a GGUF model to begin.";
  const buttons = (offer?.examples ?? []).map((text) => {
    const b = make("button", text, { type: "button" });
    b.onclick = () => void ask(text);
    return b;
  });
  byId("examples", HTMLDivElement).replaceChildren(...buttons);
  if (!offer) return;
  maxTokens.value = String(offer.maxTokens);
  void load(offer.ref);
}

function listen(): void {
  const choices = [
    ...offers.map((o) => [o.ref, o.label]),
    ["custom", "Address or owner/repo…"],
    ["file", "File on this device…"],
  ];
  picker.replaceChildren(...choices.map(([value = "", label = ""]) => make("option", label, { value })));
  picker.onchange = () => choose(picker.value);
  custom.onsubmit = (event) => {
    event.preventDefault();
    void load(byId("ref", HTMLInputElement).value.trim());
  };
  byId("file", HTMLInputElement).onchange = (event) => {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (file) void load(file);
  };
  byId("cancel-load", HTMLButtonElement).onclick = () => loading?.abort();
  byId("clear", HTMLButtonElement).onclick = () => {
    hybrid.forget();
    clearModels().then(showStorage, complain);
  };
  byId("composer", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    const text = prompt.value;
    if (!engine || answering || text.trim() === "") return;
    prompt.value = "";
    void ask(text);
  };
  prompt.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("composer", HTMLFormElement).requestSubmit();
  };
  document.onkeydown = (event) => event.key === "Escape" && answering?.abort();
  stop.onclick = () => answering?.abort();
  temperature.oninput = () => (byId("temperature-value", HTMLOutputElement).textContent = temperature.value);
}

/**
 * Lets the page open without a network, and gives it threads where the host cannot send COOP and COEP: for that it
 * must come through the service worker, so the first visit reloads once. Resolves with whether it is about to.
 */
async function startServiceWorker(): Promise<boolean> {
  if (!("serviceWorker" in navigator)) return false;
  const registered = navigator.serviceWorker.register(new URL("./sw.js", import.meta.url)).catch(() => undefined);
  if (globalThis.crossOriginIsolated || sessionStorage.getItem("pastel-isolated") || !(await registered)) return false;
  await navigator.serviceWorker.ready;
  sessionStorage.setItem("pastel-isolated", "tried");
  location.reload();
  return true;
}

async function start(): Promise<void> {
  startTheme(byId("theme", HTMLButtonElement));
  listen();
  setBusy();
  if (!(await startServiceWorker())) choose(offers[0]!.ref);
}

void start();
