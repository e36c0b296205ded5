// The page side of the storage tests: window.run(name, ...args) in a worker.

const worker = new Worker(new URL("./storage.worker.js", import.meta.url), { type: "module" });
let last = 0;

Object.assign(window, {
  run(name: string, ...args: unknown[]): Promise<unknown> {
    const id = ++last;
    worker.postMessage({ id, name, args });
    return new Promise((resolve) => {
      worker.addEventListener("message", (event: MessageEvent<{ id: number }>) => {
        if (event.data.id === id) resolve(event.data);
      });
    });
  },
});
