// The page of the engine tests: everything the package exports, as window.pastel,
// and a few loops that tests share.

import * as pastel from "../src/index.js";

interface Piece {
  index: number;
  delta?: { role?: string };
  finish_reason: string | null;
  logprobs: { content?: unknown[] } | null;
}
type Pieces = AsyncIterable<{ choices: Piece[]; usage?: unknown; x_timing?: unknown }>;
type Chunks = AsyncIterable<{ choices: { delta: { content?: string } }[] }>;

Object.assign(window, {
  pastel,
  /** Runs body and returns {value} or the error's {name, code, message}: what a test branches on. */
  async outcome(body: () => Promise<unknown>): Promise<unknown> {
    try {
      return { value: (await body()) ?? null };
    } catch (err) {
      const { name, message } = err as Error;
      return { name, code: String((err as { code?: unknown }).code ?? ""), message };
    }
  },
  /** The text of a streamed chat answer. */
  async textOf(chunks: Chunks): Promise<string> {
    let text = "";
    for await (const c of chunks) text += c.choices[0]?.delta.content ?? "";
    return text;
  },
  /** What a stream of several choices brought, by choice and in its order. */
  async byChoice(chunks: Pieces, textOf: (piece: Piece) => string): Promise<unknown> {
    const got = { texts: [] as string[], order: [] as number[], finishes: [] as number[], timed: [] as number[] };
    const more = { roles: 0, logprobs: [] as number[], usage: null as unknown };
    for await (const c of chunks) {
      more.usage = c.usage ?? more.usage;
      const [piece] = c.choices;
      if (piece === undefined) continue;
      const { index } = piece;
      const text = textOf(piece);
      if (text !== "") got.order.push(index);
      got.texts[index] = (got.texts[index] ?? "") + text;
      got.finishes[index] = (got.finishes[index] ?? 0) + (piece.finish_reason === null ? 0 : 1);
      if (c.x_timing !== undefined) got.timed.push(index);
      if (piece.delta?.role !== undefined) more.roles++;
      more.logprobs[index] = (more.logprobs[index] ?? 0) + (piece.logprobs?.content?.length ?? 0);
    }
    return { ...got, ...more };
  },
});
