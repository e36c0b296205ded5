// What stands under every answer: who gave it, why, and how sure the device was.

import type { Label, Reason, Signals } from "../src/index.js";

const reasons: Record<Reason, string> = {
  "mode-local": "nothing is sent",
  "mode-server": "you chose the server",
  "in-scope": "the device knows this kind of question",
  confident: "the device is sure enough",
  "out-of-scope": "the device does not know this kind of question",
  "unsure-early": "the device was unsure from its first words",
  unsure: "the device was unsure",
  "device-slow": "the device would take too long",
  offline: "there is no network",
  "breaker-open": "the server failed several times and is left alone for a while",
  "budget-spent": "the server's budget is spent",
  "server-slow": "the server would take too long",
  "no-consent": "you have not allowed sending",
  declined: "you kept it here",
  "server-failed": "the server failed",
};

/** Why, in words. */
export function because(reason: Reason): string {
  return reasons[reason];
}

/** Who answered: `here` where it was the device. */
export function place(where: Label["where"], here = "on this device"): string {
  return where === "device" ? here : `by the server ${where.slice("server:".length)}`;
}

const names: [keyof Signals, string][] = [
  ["geo_mean", "confidence"],
  ["max_prob", "confidence"],
  ["scope", "scope"],
  ["early", "early confidence"],
];

/** The whole label in one line; `here` names the device. */
export function labelText(label: Label, here = "on this device"): string {
  const scores = names.flatMap(([key, name]) => {
    const score = label.signals[key];
    return score === undefined ? [] : [`${name} ${score.toFixed(2)}`];
  });
  const failure = label.error === undefined ? "" : ` (${label.error.code})`;
  const instead = label.fallback ? " instead of by the server" : "";
  const facts = [because(label.reason) + failure, ...scores].join(" · ");
  return `Answered ${place(label.where, here)}${instead}: ${facts}`;
}
