// The page of the engine tests: everything the package exports, as window.pastel,
// and a few loops that tests share.

import * as pastel from "../src/index.js";

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
});
