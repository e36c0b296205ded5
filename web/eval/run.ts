// A file of tasks on one model, or on two. What is graded is kept in this browser, so a
// run that was closed goes on where it stopped. Twin of eval/run.go.

import { Engine } from "../src/index.js";
import { sha256 } from "../src/storage/digest.js";
import { openDatabase, transact } from "../src/storage/idb.js";
import { grade, type Model } from "./grade.js";
import { engineModel } from "./model.js";
import { type Answer, type EvalRecord, kindOf, type Method, readTasks, type Task } from "./tasks.js";

/** A file, by URL or as the user picked it. */
export type FileRef = string | Blob;

/** What to run. */
export interface Config {
  readonly tasks: FileRef;
  readonly model: FileRef;
  /** Adapter mode: act with these LoRA files of GGUF. */
  readonly adapters?: readonly { readonly file: FileRef; readonly scale: number }[];
  /** Hybrid mode: the larger model. */
  readonly server?: FileRef;
  readonly method: Method;
  readonly threads?: number;
  readonly contextLength?: number;
  /** Grade only the first tasks; 0 is all. */
  readonly limit?: number;
  /** The engine's files, if not beside the page. */
  readonly kernelUrls?: { simd128: string; relaxed: string };
  readonly onProgress?: (done: number, total: number, right: number) => void;
  readonly signal?: AbortSignal;
}

/** How many rows of logits one pass computes: as eval/host.go. */
const logitRows = 32;

/** Grades every task that is not graded yet and returns all records, in the tasks' order. */
export async function run(config: Config): Promise<EvalRecord[]> {
  const text = typeof config.tasks === "string" ? await fetchText(config.tasks) : await config.tasks.text();
  const tasks = readTasks(text).slice(0, config.limit || undefined);
  const kept = await Kept.open(await runKey(config, text));
  const records: EvalRecord[] = [];
  let models: Models | undefined;
  try {
    for (const task of tasks) {
      config.signal?.throwIfAborted();
      let record = await kept.get(task.id);
      if (!record) {
        models ??= await openModels(config);
        record = await gradeBoth(models, task, config.method);
        await kept.put(record);
      }
      records.push(record);
      config.onProgress?.(records.length, tasks.length, records.filter((r) => r.device.right).length);
    }
    return records;
  } finally {
    models?.close();
    kept.close();
  }
}

/** Forgets what was graded with this configuration. */
export async function forget(config: Config): Promise<void> {
  const text = typeof config.tasks === "string" ? await fetchText(config.tasks) : await config.tasks.text();
  const kept = await Kept.open(await runKey(config, text));
  await kept.clear();
  kept.close();
}

/** What tasks are put to. */
export interface Models {
  readonly device: Model;
  readonly server: Model | undefined;
  /** How the device's engine runs. */
  readonly executor: string;
  close(): void;
}

/** Loads what a configuration asks for. The models are the caller's to close. */
export async function openModels(config: Config): Promise<Models> {
  const device = await openEngine(config, config.model, config.adapters ?? []);
  try {
    const server = config.server === undefined ? undefined : await openEngine(config, config.server, []);
    const close = () => {
      device.engine.close();
      server?.engine.close();
    };
    return { device: device.model, server: server?.model, executor: device.engine.state.flavour, close };
  } catch (err) {
    device.engine.close();
    throw err;
  }
}

/** The longest context a model that could take more is given: as the command line's. */
const longestContext = 4096;

async function openEngine(config: Config, file: FileRef, adapters: NonNullable<Config["adapters"]>) {
  const { threads, contextLength, kernelUrls } = config;
  const engine = await Engine.create({
    model: absolute(file),
    logitRows,
    ...(threads && { threads }),
    ...(contextLength && { contextLength }),
    ...(kernelUrls && { kernelUrls }),
  });
  try {
    const acting = adapters.map(({ scale }, i) => ({ id: `eval-${i}`, scale }));
    for (const [i, { file }] of adapters.entries()) await engine.loadAdapter(acting[i]!.id, absolute(file));
    const longest = Math.min(contextLength || longestContext, engine.model!.contextLength);
    return { engine, model: engineModel(engine, acting, longest) };
  } catch (err) {
    engine.close();
    throw err;
  }
}

async function gradeBoth(models: Models, task: Task, method: Method): Promise<EvalRecord> {
  const kind = kindOf(task);
  const [device, seconds] = await timed(() => grade(models.device, task, method));
  const record = { id: task.id, set: task.set, kind, ...(kind === "choice" && { method }), device };
  if (!models.server) return { ...record, seconds };
  const [server, server_seconds] = await timed(() => grade(models.server!, task, method));
  return { ...record, server, seconds, server_seconds };
}

async function timed(body: () => Promise<Answer>): Promise<[Answer, number]> {
  const begun = performance.now();
  const answer = await body();
  return [answer, (performance.now() - begun) / 1000];
}

const absolute = (file: FileRef) => (typeof file === "string" ? new URL(file, document.baseURI).href : file);

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return await response.text();
}

/** Equal for runs whose records are each other's: same tasks, models, adapters and method. */
async function runKey(config: Config, tasks: string): Promise<string> {
  const name = (f: FileRef | undefined) =>
    f instanceof File ? `${f.name} ${f.size} ${f.lastModified}` : f instanceof Blob ? `blob ${f.size}` : (f ?? "");
  const parts = [config.method, config.contextLength ?? 0, name(config.model), name(config.server)];
  const text = [...parts, ...(config.adapters ?? []).map(({ file, scale }) => `${name(file)} ${scale}`), tasks].join(
    "\n",
  );
  return await sha256(new TextEncoder().encode(text));
}

/** The records of one run, in IndexedDB. */
class Kept {
  private constructor(
    private readonly db: IDBDatabase,
    private readonly run: string,
  ) {}

  static async open(run: string): Promise<Kept> {
    return new Kept(await openDatabase("pastel-eval", 1, ["records"]), run);
  }

  async get(id: string): Promise<EvalRecord | undefined> {
    const get = (s: IDBObjectStore) => s.get([this.run, id]) as IDBRequest<EvalRecord | undefined>;
    return await transact(this.db, "records", "readonly", get);
  }

  async put(r: EvalRecord): Promise<void> {
    await transact(this.db, "records", "readwrite", (s) => s.put(r, [this.run, r.id]));
  }

  async clear(): Promise<void> {
    const all = IDBKeyRange.bound([this.run], [this.run, []]); // an array sorts after every string
    await transact(this.db, "records", "readwrite", (s) => s.delete(all));
  }

  close(): void {
    this.db.close();
  }
}
