// The engine's worker, whose helpers a test can kill as a browser short of memory does:
// nobody is told.

const helpers: Worker[] = [];
const Original = Worker;
self.Worker = class extends Original {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    helpers.push(this);
  }
};
const kill = new BroadcastChannel("kill-helpers");
kill.onmessage = () => helpers.splice(0).forEach((helper) => helper.terminate());

// Not a plain import: package.json says that those of src have no side effects.
await import("../src/worker.js");
export {};
