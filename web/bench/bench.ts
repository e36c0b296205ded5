// The page /bench: measures a model in this browser, draws the result and copies it as
// JSON. `pastel bench` drives the same functions through window.bench.

import { measureAdapters } from "./adapters.js";
import { measureLimits } from "./limits.js";
import { measure, type Measured } from "./measure.js";
import { constrained, profile } from "./profile.js";
import { draw } from "./chart.js";

Object.assign(window, {
  bench: {
    measure,
    profile,
    constrained,
    adapters: measureAdapters,
    limits: measureLimits,
    isolated: crossOriginIsolated,
  },
});

const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const numbers = (id: string) =>
  byId<HTMLInputElement>(id)
    .value.split(",")
    .map(Number)
    .filter((n) => n > 0);

async function run(): Promise<void> {
  const status = byId("status");
  const file = byId<HTMLInputElement>("file").files?.[0];
  const model = file ?? byId<HTMLInputElement>("url").value;
  const results: (Measured & { limits: unknown; userAgent: string })[] = [];
  for (const threads of numbers("threads")) {
    const onStep = (text: string) => (status.textContent = `${threads} thread${threads > 1 ? "s" : ""}: ${text}`);
    const [decode = 64] = numbers("decode");
    const measured = await measure({ model, threads, prompts: numbers("prompts"), decode, repeats: 3, onStep });
    onStep("measuring the machine's limits");
    const limits = crossOriginIsolated
      ? await measureLimits(measured.executor, measured.threads, file?.size ?? 256 << 20)
      : null;
    results.push({ ...measured, limits, userAgent: navigator.userAgent });
    byId("chart").replaceChildren(draw(results));
  }
  status.textContent = "done";
  byId("json").textContent = JSON.stringify(results, null, 1);
}

byId("run").onclick = () => {
  const button = byId<HTMLButtonElement>("run");
  button.disabled = true;
  run()
    .catch((err: unknown) => (byId("status").textContent = String(err)))
    .finally(() => (button.disabled = false));
};
byId("copy").onclick = () => void navigator.clipboard.writeText(byId("json").textContent ?? "");
byId<HTMLInputElement>("threads").value = crossOriginIsolated ? `1,${Math.min(navigator.hardwareConcurrency, 8)}` : "1";
