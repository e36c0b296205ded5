// One job's answer: on the device, or through the user's server where the user agreed.

import type { ChatMessage, Engine } from "../../src/index.js";
import { type Device, engineDevice, Hybrid, type HybridEvent, type Signals } from "../../src/offload.js";
import type { Job, Settings } from "../messages.js";
import { continuation, conversation, type Exchange, withoutControls } from "../prompts.js";
import * as database from "./database.js";
import type { Model } from "./model.js";

/** Tokens after which a first opinion of the answer's certainty is formed. */
const earlyTokens = 16;

/** Asks the user whether one question may go to a host. */
export type Confirm = (host: string, signal: AbortSignal) => Promise<boolean>;

/** A server's router and what it asks on behalf of: one job runs at a time. */
interface Router {
  hybrid: Hybrid;
  device: Device;
  confirm: Confirm;
}

/** As long as the host lives: each server's failures and speeds are remembered. */
const routers = new Map<string, Router>();

/** Streams the answer to the last job of a conversation. Rejects with the signal's reason, or the engine's error. */
export async function* answer(
  model: Model,
  jobs: readonly Job[],
  settings: Settings,
  signal: AbortSignal,
  confirm: Confirm,
): AsyncGenerator<HybridEvent, void, undefined> {
  const engine = await model.engine();
  const job = jobs.at(-1)!;
  const messages = await messagesOf(engine, jobs, job);
  const style = job.from === "panel" && settings.style ? await database.get("style") : undefined;
  const lora = style?.model === settings.model ? [{ id: style.id, scale: 1 }] : [];
  delete job.style;
  if (lora[0]) job.style = lora[0].id;
  const device = engineDevice(engine, { params: { ...job.sampling, lora }, earlyTokens });
  const { server } = settings;
  // A page's questions stay here: its user agreed to the model on this device, not to a server.
  if (job.from !== "panel" || server.mode === "local" || server.url === "")
    return yield* locally(device, messages, signal);
  yield* router(device, settings, confirm).answer(messages, signal);
}

/** The whole conversation with page text as data. */
async function messagesOf(engine: Engine, jobs: readonly Job[], job: Job): Promise<ChatMessage[]> {
  const clean = (text: string) => withoutControls(engine, text);
  if (!job.question) {
    const all = (job.messages ?? []).map(async ({ role, content }) => ({ role, content: await clean(content) }));
    return await Promise.all(all);
  }
  const turns: Exchange[] = [];
  for (const { question, text } of jobs) {
    const { task, ask, text: selected } = question!;
    turns.push({ question: { task, ask: await clean(ask), text: await clean(selected) }, answer: await clean(text) });
  }
  const mark = `text-${jobs[0]!.id.replaceAll("-", "").slice(0, 16)}`;
  return engine.model?.chatTemplate ? conversation(turns, mark) : continuation(turns.at(-1)!.question);
}

function router(device: Device, { server, max_tokens }: Settings, confirm: Confirm): Hybrid {
  const key = JSON.stringify([server.url, server.model, max_tokens]);
  const known = routers.get(key);
  const made: Router = known ?? { device, confirm, hybrid: hybridOf(() => made, server, max_tokens) };
  Object.assign(made, { device, confirm });
  made.hybrid.policy = { mode: server.mode, confidence: { on: true, score: server.threshold, tie: 0 } };
  routers.set(key, made);
  return made.hybrid;
}

function hybridOf(router: () => Router, { url, model }: Settings["server"], maxTokens: number): Hybrid {
  return new Hybrid({
    device: { answer: (messages, signal) => router().device.answer(messages, signal) },
    server: { url, model, maxTokens },
    policy: { mode: "local" },
    confirm: (host, _, signal) => router().confirm(host, signal),
  });
}

async function* locally(
  device: Device,
  messages: ChatMessage[],
  signal: AbortSignal,
): AsyncGenerator<HybridEvent, void, undefined> {
  let signals: Signals = {};
  const label = () => ({ where: "device" as const, reason: "mode-local" as const, signals, fallback: false });
  let text = "";
  for await (const piece of device.answer(messages, signal)) {
    text += piece.text;
    signals = { ...signals, ...piece.signals };
    yield { type: "text", text: piece.text, label: label() };
  }
  yield { type: "done", text, label: label() };
}
