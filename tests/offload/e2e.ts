// The page of the end-to-end test: the real engine, the routing client, one question at a time.

import { Engine } from "../../web/src/engine.js";
import {
  ConsentLedger,
  Hybrid,
  type HybridEvent,
  type Policy,
  type Region,
  engineDevice,
} from "../../web/src/offload.js";

const ledger = new ConsentLedger();
let engine: Engine | undefined;

async function load({ model }: { model: string }): Promise<unknown> {
  engine = await Engine.create({
    model,
    threads: 1,
    engineUrl: "/engine.wasm",
  });
  return engine.state;
}

interface Question {
  url: string;
  model: string;
  policy: Policy;
  text: string;
  /** What the user customised, and other texts whose mean embedding stands for the pool's. */
  samples?: string[];
  others?: string[];
}

async function regionOf(
  samples: string[],
  others: string[],
): Promise<Region | undefined> {
  const embed = async (input: string[]): Promise<number[][]> =>
    (await engine!.embeddings.create({ input, normalize: false })).data.map(
      (d) => d.embedding,
    );
  if (samples.length === 0) return undefined;
  const points = [...(await embed(samples)), ...(await embed(others))];
  const mean = points[0]!.map(
    (_, i) => points.reduce((sum, p) => sum + p[i]!, 0) / points.length,
  );
  return {
    layer: 0,
    pooling: "mean",
    mean,
    samples: points.slice(0, samples.length),
  };
}

async function ask(q: Question): Promise<unknown> {
  if (engine === undefined) throw new Error("no engine");
  const hybrid = new Hybrid({
    device: engineDevice(engine, {
      params: { max_tokens: 16, temperature: 0 },
      region: await regionOf(q.samples ?? [], q.others ?? []),
    }),
    server: {
      url: q.url,
      model: q.model,
      token: () => "test-token-0123456789abcdef",
      maxTokens: 16,
      firstMs: 10_000,
      idleMs: 3_000,
    },
    policy: q.policy,
    consent: ledger,
  });
  const events: HybridEvent[] = [];
  for await (const e of hybrid.answer([{ role: "user", content: q.text }]))
    events.push(e);
  const last = events.at(-1);
  return {
    text: last?.type === "done" ? last.text : null,
    label: last?.label,
    replaced: events.flatMap((e) => (e.type === "replace" ? [e.draft] : [])),
    pieces: events.filter(
      (e) => e.type === "text" && e.label.where !== "device",
    ).length,
  };
}

async function consent({
  url,
  agreed,
}: {
  url: string;
  agreed: boolean;
}): Promise<void> {
  if (agreed) ledger.grant(url, "last-turn", "test notice");
  else ledger.revoke(url);
}

Object.assign(globalThis, { api: { load, ask, consent }, ready: true });
