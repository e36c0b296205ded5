// Bars of tokens per second.

import type { Measured } from "./measure.js";

const svgNS = "http://www.w3.org/2000/svg";
const barHeight = 22;
const width = 640;
const labelWidth = 260;

function element(name: string, attributes: Record<string, string | number>, text = ""): SVGElement {
  const e = document.createElementNS(svgNS, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
  e.textContent = text;
  return e;
}

function median(x: readonly number[]): number {
  const s = [...x].sort((a, b) => a - b);
  return s.length % 2 ? s[s.length >> 1]! : (s[s.length / 2 - 1]! + s[s.length / 2]!) / 2;
}

/** One bar per measurement, all on one scale. */
export function draw(results: readonly Measured[]): SVGElement {
  const bars = results.flatMap((r) => {
    const head = `${r.executor}, ${r.threads} thread${r.threads > 1 ? "s" : ""}`;
    return [
      ...r.prefillMs.map((p) => ({ label: `${head}: prefill ${p.tokens}`, value: (p.tokens / median(p.ms)) * 1000 })),
      { label: `${head}: decode`, value: median(r.decodeTokPS) },
    ];
  });
  const most = Math.max(...bars.map((b) => b.value));
  const svg = element("svg", {
    width,
    height: bars.length * barHeight,
    role: "img",
    "aria-label": "tokens per second",
  });
  bars.forEach(({ label, value }, i) => {
    const y = i * barHeight;
    const length = ((width - labelWidth - 90) * value) / most;
    svg.append(
      element("text", { x: 0, y: y + 15, "font-size": 13, fill: "currentColor" }, label),
      element("rect", { x: labelWidth, y: y + 3, width: Math.max(1, length), height: barHeight - 6, fill: "#6a8caf" }),
      element(
        "text",
        { x: labelWidth + length + 6, y: y + 15, "font-size": 13, fill: "currentColor" },
        `${value.toFixed(1)} tok/s`,
      ),
    );
  });
  return svg;
}
