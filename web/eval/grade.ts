// One task on one model. Twin of eval/score.go: the same texts are scored, so that a
// browser and a server can be compared.

import { type Answer, kindOf, type Method, options, type Task } from "./tasks.js";

/** What tasks are put to: text in, log-probabilities out. */
export interface Model {
  /** The natural logarithm of each token's probability, of continuation after prompt. */
  logProbs(prompt: string, continuation: string): Promise<number[]>;
  /** A greedy continuation up to one of the stops, with its tokens' log-probabilities. */
  complete(prompt: string, maxTokens: number, stops: string[]): Promise<{ text: string; logs: number[] }>;
}

/** Bounds a written answer. */
const exactTokens = 48;

/** Puts a task to a model. */
export async function grade(m: Model, t: Task, method: Method): Promise<Answer> {
  switch (kindOf(t)) {
    case "choice":
      return await choose(m, t, method);
    case "exact":
      return await write(m, t);
    case "perplexity": {
      const logs = await m.logProbs("", t.prompt);
      return { choice: -1, right: false, confidence: 0, nll: -sum(logs), tokens: logs.length };
    }
  }
}

/** Scores every option and takes the best, the first of equals. */
async function choose(m: Model, t: Task, method: Method): Promise<Answer> {
  const scores: number[] = [];
  for (let i = 0; i < options(t); i++) {
    const [prompt, continuation] = option(t, i, method);
    const score = sum(await m.logProbs(prompt, continuation));
    scores.push(method === "norm" ? score / Math.max(utf8Length(continuation.trim()), 1) : score);
  }
  let choice = 0;
  scores.forEach((s, i) => {
    if (s > scores[choice]! || Number.isNaN(scores[choice])) choice = i;
  });
  const total = sum(scores.map((s) => Math.exp(s - scores[choice]!)));
  return { choice, right: choice === t.gold, confidence: 1 / total };
}

/** The texts whose likelihood scores option i. */
function option(t: Task, i: number, method: Method): [prompt: string, continuation: string] {
  if (t.contexts?.length) return [t.contexts[i]!, spaced(t.continuation!)];
  if (method === "letter") return [listed(t), ` ${letter(i)}`];
  return [t.prompt, spaced(t.choices![i]!)];
}

/** The prompt followed by its options under letters. */
export function listed(t: Task): string {
  const lines = t.choices!.map((c, i) => `\n${letter(i)}. ${c.trim()}`);
  return `${t.prompt.replace(/[ \n]+$/, "")}${lines.join("")}\nAnswer:`;
}

const letter = (i: number) => String.fromCharCode(65 + i);

/** Puts the space that separates words in front: tokenizers keep it with the word. */
const spaced = (s: string) => (/^[ \n]/.test(s) ? s : ` ${s}`);

/** Lets the model answer up to the end of the line. */
async function write(m: Model, t: Task): Promise<Answer> {
  const { text, logs } = await m.complete(t.prompt, exactTokens, ["\n"]);
  const confidence = logs.length > 0 ? Math.exp(sum(logs) / logs.length) : 0;
  return { choice: -1, ...(text && { text }), right: plain(text) === plain(t.target!), confidence };
}

/** Text as exact match compares it: lower case, no punctuation but what joins, single spaces. */
export function plain(s: string): string {
  return s
    .replace(/[^-()[\]{}<>/\P{P}]/gu, "")
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .join(" ");
}

const utf8Length = (s: string) => new TextEncoder().encode(s).length;

const sum = (x: readonly number[]) => x.reduce((a, b) => a + b, 0);
