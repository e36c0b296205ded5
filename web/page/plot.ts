// Plots against server use: how many answers are right with the planted task's
// thresholds, or how sure the device is of a user's own questions.

import { type Budget, budgets, randomAt } from "./calibration.js";

const width = 300;
const height = 190;
const box = { left: 34, right: 284, top: 10, bottom: 150 };
const percent = (share: number): string => `${Math.round(100 * share)}%`;
const x = (usage: number): number => box.left + usage * (box.right - box.left);

/** The vertical scale: from `low` to 1. */
type Scale = (value: number) => number;
const scaleFrom =
  (low: number): Scale =>
  (value) =>
    box.bottom - ((value - low) / (1 - low)) * (box.bottom - box.top);

/** Right answers of the planted task: our router, sending at random, and the best there could be. */
export function drawExpected(svg: SVGSVGElement, at: Budget): void {
  const low = Math.floor(Math.min(...budgets.map((b) => b.accuracy)) * 10) / 10;
  const y = scaleFrom(low);
  const path = (name: string, of: (b: Budget) => number): SVGElement =>
    line(
      name,
      budgets.map((b) => [x(b.usage), y(of(b))]),
    );
  draw(
    svg,
    `Right answers against server use. At ${percent(at.usage)} server use ${percent(at.accuracy)} are right, ` +
      `${percent(randomAt(at.usage))} when queries are sent at random, ${percent(at.oracle)} at best.`,
    axes(y, low, "queries answered by the server"),
    [
      path("random", (b) => randomAt(b.usage)),
      path("oracle", (b) => b.oracle),
      path("router", (b) => b.accuracy),
      text("best possible", x(0.6), y(1) + 22, "middle"),
      text("at random", x(0.66), y(randomAt(0.6)) + 16, "start"),
    ],
    marker(x(at.usage), y(at.accuracy)),
  );
}

/** Confidences of a user's own questions, the least sure first: what lies left of the mark is sent. */
export function drawSureness(svg: SVGSVGElement, scores: readonly number[], usage: number): void {
  const y = scaleFrom(0);
  const sorted = scores.toSorted((a, b) => a - b);
  const steps = sorted.flatMap((s, i): Point[] => [
    [x(i / sorted.length), y(s)],
    [x((i + 1) / sorted.length), y(s)],
  ]);
  const at = sorted[Math.min(sorted.length - 1, Math.round(usage * sorted.length))]!;
  draw(
    svg,
    `Confidence of your ${sorted.length} questions, the least sure first. ${percent(usage)} of them are sent, the others have ` +
      `a confidence of at least ${at.toFixed(2)}.`,
    axes(y, 0, "your questions, the least sure first"),
    [line("router", steps)],
    marker(x(usage), y(at)),
  );
}

type Point = [x: number, y: number];

function draw(svg: SVGSVGElement, about: string, ...shapes: SVGElement[][]): void {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", about);
  svg.replaceChildren(...shapes.flat());
}

function axes(y: Scale, low: number, title: string): SVGElement[] {
  const made: SVGElement[] = [];
  const step = low < 0.5 ? 2 : 1;
  for (let tenths = Math.round(low * 10); tenths <= 10; tenths += step) {
    const level = y(tenths / 10);
    made.push(shape("line", { class: "grid", x1: box.left, x2: box.right, y1: level, y2: level }));
    made.push(text(percent(tenths / 10), box.left - 4, level + 3, "end"));
  }
  for (const usage of [0, 0.25, 0.5, 0.75, 1]) made.push(text(percent(usage), x(usage), box.bottom + 14, "middle"));
  made.push(text(title, (box.left + box.right) / 2, box.bottom + 32, "middle"));
  return made;
}

function line(name: string, points: Point[]): SVGElement {
  return shape("polyline", { class: name, points: points.map((p) => p.join(",")).join(" ") });
}

function marker(cx: number, cy: number): SVGElement[] {
  return [
    shape("line", { class: "marker", x1: cx, x2: cx, y1: cy, y2: box.bottom }),
    shape("circle", { id: "mark", class: "mark", cx, cy, r: 5 }),
  ];
}

function text(content: string, atX: number, atY: number, anchor: string): SVGElement {
  const e = shape("text", { x: atX, y: atY, "text-anchor": anchor });
  e.textContent = content;
  return e;
}

function shape(tag: string, attributes: Record<string, string | number>): SVGElement {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, String(value));
  return e;
}
