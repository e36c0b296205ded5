// What a web page may ask of the engine. Everything here comes from outside.

import { BadRequestError, type ChatMessage } from "../../src/index.js";
import type { FromPage, Job, Sampling, Settings } from "../messages.js";
import * as database from "./database.js";
import { isOpen } from "./queue.js";

/** Most open jobs of one origin. */
const maxOpen = 4;
/** Longest conversation of a page, in UTF-16 units. */
const maxLength = 100_000;
/** Longest answer to a page, in tokens. */
const maxTokens = 4096;

/** The id of a message from a page; "" when it has none. */
export function checkId(message: unknown): string {
  const id = typeof message === "object" && message !== null && "id" in message ? message.id : undefined;
  return typeof id === "string" && id.length <= 64 ? id : "";
}

/** Whether an origin may ask now, without asking the user. Throws ERR_CONSENT for one that was refused. */
export async function mayAsk(origin: string, jobs: Iterable<Job>): Promise<boolean> {
  const decided = (await database.get("origins"))?.[origin];
  if (decided === false) throw new BadRequestError("ERR_CONSENT", `the user does not let ${origin} use the model`);
  const open = [...jobs].filter((j) => j.from === origin && isOpen(j)).length;
  if (open >= maxOpen) throw bad(`${open} answers of this origin are under way already`);
  return decided === true;
}

/** A page's request, checked. */
export function checkAsk(
  m: Extract<FromPage, { type: "ask" }>,
  settings: Settings,
  seed: number,
): Sampling & { messages: ChatMessage[] } {
  if (checkId(m) === "") throw bad("id must be a text of 1 to 64 characters");
  return {
    messages: checkMessages(m.messages),
    max_tokens: whole("max_tokens", m.max_tokens ?? settings.max_tokens, 1, maxTokens),
    temperature: number("temperature", m.temperature ?? settings.temperature, 0, 2),
    seed: whole("seed", m.seed ?? seed, 0, 2 ** 32 - 1),
  };
}

function checkMessages(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > 200)
    throw bad("messages must be 1 to 200");
  const clean = messages.map((m: unknown) => {
    const { role, content } = (typeof m === "object" && m !== null ? m : {}) as Record<string, unknown>;
    if (role !== "system" && role !== "user" && role !== "assistant")
      throw bad("a message's role must be system, user or assistant");
    if (typeof content !== "string") throw bad("a message's content must be text");
    return { role, content };
  });
  if (clean.reduce((n, m) => n + m.content.length, 0) > maxLength) throw bad(`more than ${maxLength} characters`);
  return clean;
}

function number(name: string, v: unknown, low: number, high: number): number {
  if (typeof v === "number" && v >= low && v <= high) return v;
  throw bad(`${name} must be between ${low} and ${high}`);
}

function whole(name: string, v: unknown, low: number, high: number): number {
  if (!Number.isInteger(v)) throw bad(`${name} must be a whole number`);
  return number(name, v, low, high);
}

function bad(message: string): BadRequestError {
  return new BadRequestError("ERR_BAD_REQUEST", message);
}
