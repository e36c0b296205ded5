// What the extension keeps: jobs, settings, samples, the taught style and allowed origins. Weights are kept by
// the package's own store. One database of the extension's origin, open in the host and in every panel.

import type { Job, Settings, Style } from "../messages.js";

/** The single values, by key. */
export interface Values {
  settings: Settings;
  samples: string[];
  style: Style;
  /** Origins of pages the user allowed, or refused. */
  origins: Record<string, boolean>;
  /** A selection that waits for its question, by window. */
  offers: Record<number, string>;
}

export const defaults: Settings = {
  model: "",
  pool: "",
  max_tokens: 200,
  temperature: 0.7,
  style: true,
  server: { mode: "local", url: "", model: "", extent: "last-turn", threshold: 0.5 },
};

const name = "pastel-extension";

let opened: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  return (opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("jobs", { keyPath: "id" });
      request.result.createObjectStore("values");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  }));
}

async function run<T>(store: string, mode: IDBTransactionMode, f: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const db = await open();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    const request = f(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

/** A value, undefined when it was never set. */
export function get<K extends keyof Values>(key: K): Promise<Values[K] | undefined> {
  return run("values", "readonly", (s) => s.get(key) as IDBRequest<Values[K] | undefined>);
}

export async function set<K extends keyof Values>(key: K, value: Values[K]): Promise<void> {
  await run("values", "readwrite", (s) => s.put(value, key));
}

export async function remove(key: keyof Values): Promise<void> {
  await run("values", "readwrite", (s) => s.delete(key));
}

/** All jobs, oldest first. */
export async function jobs(): Promise<Job[]> {
  const all = await run("jobs", "readonly", (s) => s.getAll() as IDBRequest<Job[]>);
  return all.sort((a, b) => a.created - b.created);
}

export async function putJob(job: Job): Promise<void> {
  await run("jobs", "readwrite", (s) => s.put(job));
}

export async function removeJob(id: string): Promise<void> {
  await run("jobs", "readwrite", (s) => s.delete(id));
}

/** Forgets everything. */
export async function clear(): Promise<void> {
  await run("jobs", "readwrite", (s) => s.clear());
  await run("values", "readwrite", (s) => s.clear());
}
