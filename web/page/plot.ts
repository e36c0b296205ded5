// Accuracy against server use: our router, sending at random, and the best there could be.

import { type Budget, budgets, randomAt } from "./calibration.js";

const width = 300;
const height = 190;
const box = { left: 34, right: 284, top: 10, bottom: 150 };
const bottom = Math.floor(Math.min(...budgets.map((b) => b.accuracy)) * 10) / 10;

const x = (usage: number): number => box.left + usage * (box.right - box.left);
const y = (accuracy: number): number => box.bottom - ((accuracy - bottom) / (1 - bottom)) * (box.bottom - box.top);
const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** Draws the plot into an svg element, with this budget marked. */
export function draw(svg: SVGSVGElement, at: Budget): void {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute(
    "aria-label",
    `Right answers against server use. At ${percent(at.usage)} server use ${percent(at.accuracy)} are right, ` +
      `${percent(randomAt(at.usage))} when queries are sent at random, ${percent(at.oracle)} at best.`,
  );
  svg.replaceChildren(...axes(), ...lines(), ...marker(at));
}

function axes(): SVGElement[] {
  const made: SVGElement[] = [];
  for (let step = Math.round(bottom * 10); step <= 10; step++) {
    const level = y(step / 10);
    made.push(shape("line", { class: "grid", x1: box.left, x2: box.right, y1: level, y2: level }));
    made.push(text(percent(step / 10), box.left - 4, level + 3, "end"));
  }
  for (const usage of [0, 0.25, 0.5, 0.75, 1]) made.push(text(percent(usage), x(usage), box.bottom + 14, "middle"));
  made.push(text("queries answered by the server", (box.left + box.right) / 2, box.bottom + 32, "middle"));
  return made;
}

function lines(): SVGElement[] {
  const path = (name: string, of: (b: Budget) => number): SVGElement =>
    shape("polyline", { class: name, points: budgets.map((b) => `${x(b.usage)},${y(of(b))}`).join(" ") });
  return [
    path("random", (b) => randomAt(b.usage)),
    path("oracle", (b) => b.oracle),
    path("router", (b) => b.accuracy),
    text("best possible", x(0.6), y(1) + 22, "middle"),
    text("at random", x(0.66), y(randomAt(0.6)) + 16, "start"),
  ];
}

function marker(at: Budget): SVGElement[] {
  const cx = x(at.usage);
  const cy = y(at.accuracy);
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
