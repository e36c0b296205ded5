// How many questions the server may answer: the slider, what it means, and a
// calibration on the user's own questions.

import { type Device, type Policy, type Region, offload } from "../src/index.js";
import { budgetFor, randomAt } from "./calibration.js";
import { byId } from "./dom.js";
import { drawExpected, drawSureness } from "./plot.js";

/** The device as it would answer now. */
export interface Answering {
  device: Device;
  /** Of the user's customisation, if it is in use. */
  region: Region | undefined;
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** Thresholds by the budget: from the planted task, or from what the device thought of the user's questions. */
export class BudgetPanel {
  readonly #budget = byId("budget", HTMLInputElement);
  readonly #run = byId("calibrate-run", HTMLButtonElement);
  readonly #stop = byId("calibrate-stop", HTMLButtonElement);
  readonly #answering: () => Answering | undefined;
  #scored: offload.Scored[] = [];
  #scope: offload.Threshold | undefined;
  #running: AbortController | undefined;

  constructor(answering: () => Answering | undefined) {
    this.#answering = answering;
    this.#budget.oninput = () => this.#show();
    byId("calibrate", HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      void this.#calibrate(byId("questions", HTMLTextAreaElement).value.split("\n"));
    };
    this.#stop.onclick = () => this.#running?.abort();
    this.#show();
  }

  /** The thresholds for a customisation, or for none. */
  cuts(region: Region | undefined): Pick<Policy, "scope" | "confidence" | "early"> {
    if (this.#scored.length > 0) return this.#own();
    const scope = region && offload.scopeThreshold(region);
    return { confidence: budgetFor(this.#budget.valueAsNumber).threshold, ...(scope && { scope }) };
  }

  /** Goes back to the planted task: the model, or what it was customised with, is another. */
  reset(why = ""): void {
    this.#running?.abort();
    if (this.#scored.length === 0) return;
    this.#scored = [];
    this.#say(why);
    this.#show();
  }

  async #calibrate(lines: string[]): Promise<void> {
    const queries = lines.map((q) => q.trim()).filter((q) => q !== "");
    const now = this.#answering();
    if (this.#running) return;
    if (now === undefined || queries.length < 2) {
      return this.#say(now ? "Write at least two questions, one a line." : "Choose a model first.");
    }
    const mine = (this.#running = new AbortController());
    this.#run.disabled = true;
    this.#stop.hidden = false;
    try {
      const scored: offload.Scored[] = [];
      for await (const one of offload.score(now.device, queries, mine.signal)) {
        scored.push(one);
        this.#say(`${scored.length} of ${queries.length} answered on this device. Nothing is sent.`);
      }
      this.#scored = scored;
      this.#scope = now.region && offload.scopeThreshold(now.region);
      this.#say("");
    } catch (err) {
      this.#say(mine.signal.aborted ? "Stopped." : err instanceof Error ? err.message : String(err));
    } finally {
      this.#running = undefined;
      this.#run.disabled = false;
      this.#stop.hidden = true;
      this.#show();
    }
  }

  #own(): offload.Calibration {
    return offload.calibrate(this.#scored, this.#budget.valueAsNumber, this.#scope);
  }

  #say(text: string): void {
    byId("calibrate-state", HTMLParagraphElement).textContent = text;
  }

  #show(): void {
    byId("budget-value", HTMLOutputElement).textContent = percent(this.#budget.valueAsNumber);
    const plot = document.getElementById("plot");
    if (!(plot instanceof SVGSVGElement)) return;
    if (this.#scored.length > 0) this.#showOwn(plot);
    else this.#showPlanted(plot);
  }

  #showPlanted(plot: SVGSVGElement): void {
    const at = budgetFor(this.#budget.valueAsNumber);
    const expected = `Expected: ${percent(at.accuracy)} right, ${percent(randomAt(at.usage))} at random, ${percent(at.oracle)} at best.`;
    this.#explain(
      at.threshold,
      expected,
      "Calibrated on a planted task, not on the model above: a budget here is a guide.",
    );
    drawExpected(plot, at);
  }

  #showOwn(plot: SVGSVGElement): void {
    const { scope, confidence, usage } = this.#own();
    const n = this.#scored.length;
    const inScope = scope.on ? " What is unlike your samples is sent first." : "";
    this.#explain(
      confidence,
      `That sends ${Math.round(usage * n)} of your ${n} questions.${inScope}`,
      "Calibrated on your questions with this model. How many of its answers are right, nobody has said.",
    );
    drawSureness(
      plot,
      this.#scored.map((s) => s.signals.geo_mean ?? 0),
      usage,
    );
  }

  #explain(threshold: offload.Threshold, expected: string, how: string): void {
    const score = threshold.on ? Math.min(threshold.score, 1) : 0;
    byId("threshold", HTMLOutputElement).textContent = score.toFixed(2);
    byId("expected", HTMLSpanElement).textContent = expected;
    byId("calibrated", HTMLParagraphElement).textContent = how;
  }
}
