// The page /eval: grades a file of tasks in this browser and shows accuracy with its
// interval. `pastel eval --in chromium` drives the same functions through window.evaluation.

import { grade } from "./grade.js";
import { type Row, rowsOf, thresholdFor } from "./rows.js";
import { type Config, type FileRef, forget, type Models, openModels, run } from "./run.js";
import type { Answer, EvalRecord, Method, Task } from "./tasks.js";

let opened: Models | undefined;

/** One task on one of the opened models, for `pastel eval`, which keeps what was graded itself. */
async function gradeOne(task: Task, method: Method, where: "device" | "server"): Promise<Answer> {
  const model = opened?.[where];
  if (!model) throw new Error(`no model is open on the ${where}`);
  return await grade(model, task, method);
}

async function open(config: Config): Promise<string> {
  opened?.close();
  opened = await openModels(config);
  return opened.executor;
}

Object.assign(window, { evaluation: { open, grade: gradeOne } });

const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const value = (id: string) => byId<HTMLInputElement | HTMLSelectElement>(id).value.trim();
const picked = (id: string) => byId<HTMLInputElement>(id).files?.[0];

/** A file that was picked, or else the URL beside it; undefined for neither. */
const fileOf = (id: string): FileRef | undefined => picked(`${id}-file`) ?? (value(id) || undefined);

let running: AbortController | undefined;
let records: EvalRecord[] = [];

function config(): Config {
  const mode = value("mode");
  const tasks = fileOf("tasks");
  const model = fileOf("model");
  const adapter = fileOf("adapter");
  const server = fileOf("server");
  if (!tasks || !model) throw new Error("choose a file of tasks and a model");
  if (mode === "adapter" && !adapter) throw new Error("choose an adapter");
  if (mode === "hybrid" && !server) throw new Error("choose the server's model");
  return {
    tasks,
    model,
    ...(mode !== "device" && adapter && { adapters: [{ file: adapter, scale: 1 }] }),
    ...(mode === "hybrid" && server && { server }),
    method: value("method") as Method,
    limit: Number(value("limit")),
    onProgress: progress,
  };
}

function progress(done: number, total: number, right: number): void {
  const bar = byId<HTMLProgressElement>("bar");
  bar.max = total;
  bar.value = done;
  byId("status").textContent = `${done} of ${total}, ${percent(right / done)} right`;
}

const percent = (x: number) => `${(100 * x).toFixed(1)}%`;

function show(): void {
  const hybrid = records.some((r) => r.server);
  const threshold = hybrid ? thresholdFor(records, Number(value("budget")) / 100) : 0;
  const head = ["set", "n", "accuracy (95%)", "perplexity", "sent to the server", "seconds"];
  const body = rowsOf(records, threshold).map((r) => cells(r, hybrid));
  byId("rows").replaceChildren(line("th", head), ...body.map((c) => line("td", c)));
  byId("json").textContent = records.map((r) => JSON.stringify(r)).join("\n");
}

function cells(r: Row, hybrid: boolean): string[] {
  const accuracy = r.n > 0 ? `${percent(r.right / r.n)} (${percent(r.low)} to ${percent(r.high)})` : "-";
  const perplexity = r.perplexity?.toFixed(2) ?? "-";
  return [r.set, `${r.n}`, accuracy, perplexity, hybrid ? percent(r.usage) : "-", r.seconds.toFixed(1)];
}

function line(tag: "th" | "td", texts: readonly string[]): HTMLTableRowElement {
  const row = document.createElement("tr");
  for (const text of texts) {
    const cell = document.createElement(tag);
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

async function start(): Promise<void> {
  running = new AbortController();
  byId("run").textContent = "Stop";
  try {
    byId("status").textContent = "loading";
    records = await run({ ...config(), signal: running.signal });
    show();
  } catch (err) {
    byId("status").textContent = running.signal.aborted ? "stopped; Grade goes on from here" : String(err);
  } finally {
    running = undefined;
    byId("run").textContent = "Grade";
  }
}

/** Shows only the fields that the mode has. */
function fields(): void {
  byId("adapter-fields").hidden = value("mode") === "device";
  byId("server-fields").hidden = value("mode") !== "hybrid";
}

byId("run").onclick = () => (running ? running.abort() : void start());
byId("again").onclick = () => {
  if (running) return;
  void Promise.resolve()
    .then(() => forget(config()))
    .then(start)
    .catch((err: unknown) => (byId("status").textContent = String(err)));
};
byId("mode").onchange = fields;
byId("budget").oninput = () => records.length > 0 && show();
byId("copy").onclick = () => void navigator.clipboard.writeText(byId("json").textContent ?? "");
fields();
