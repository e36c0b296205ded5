// From a function that pushes to an iterable that is pulled.

/**
 * The items `run` pushes, as an async iterable that can be walked once. `run`
 * starts at once. Leaving the loop early aborts the signal `run` was given and
 * waits for it to settle, so that nothing goes on behind the caller's back.
 * Aborting `outer` withholds what was pushed and not yet read; the walk then rejects with its reason.
 */
export function streamOf<T>(
  run: (push: (item: T) => void, signal: AbortSignal) => Promise<void>,
  outer?: AbortSignal | null,
): AsyncIterableIterator<T> {
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  const items: T[] = [];
  let wake = () => {};
  let ended = false;
  const finished = run((item) => {
    items.push(item);
    wake();
  }, signal).finally(() => {
    ended = true;
    wake();
  });
  finished.catch(() => undefined); // the reader sees it below

  async function* read(): AsyncGenerator<T, void> {
    try {
      while (true) {
        while (items.length > 0 && !outer?.aborted) yield items.shift()!;
        if (ended) {
          await finished;
          return outer?.throwIfAborted();
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      stop.abort();
      await finished.catch(() => undefined);
    }
  }
  const reader = read();
  // A generator that has not begun runs no finally block: stop here.
  const leave = reader.return.bind(reader);
  reader.return = async (value) => {
    stop.abort();
    wake();
    return await leave(value);
  };
  return reader;
}
