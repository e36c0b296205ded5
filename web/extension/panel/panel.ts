// The side panel: shows a window's questions and answers. All state is the host's; a panel may close and open at will.

import { type Progress } from "../../src/index.js";
import { byId, make, megabytes } from "../../page/dom.js";
import { startTheme } from "../../page/theme.js";
import { Client } from "../client.js";
import * as database from "../host/database.js";
import type { Job, Status, ToPanel } from "../messages.js";
import { Card } from "./card.js";
import { SettingsPart } from "./settings.js";

const log = byId("log", HTMLOListElement);
const ask = byId("ask", HTMLTextAreaElement);
const quote = byId("quote", HTMLQuoteElement);
const quoteText = byId("quote-text", HTMLParagraphElement);
const cards = new Map<string, Card>();
let client: Client;
let settings: SettingsPart;
let window = 0;
/** Whether the model holds conversations, and the answer that the user does not want to go on from. */
let chat = false;
let left: string | undefined;

function say(text: string, isError = false): void {
  const status = byId("status", HTMLParagraphElement);
  status.textContent = text;
  status.classList.toggle("error", isError);
}

function receive(m: ToPanel): void {
  switch (m.type) {
    case "status":
      return showStatus(m.status);
    case "job":
      return showJob(m.job, m.ahead);
    case "text":
      cards.get(m.id)?.take(m.draft, m.at, m.text);
      return void (log.scrollTop = log.scrollHeight);
    case "offer":
      return offer(m.text);
    case "taught":
      return say(`Learned from ${m.style.samples} samples in ${Math.round(m.style.tookMs)} ms.`);
    case "failed":
      return say(m.message, true);
    case "sample":
      return settings.addSample(m.text);
    case "deleted":
      say("Deleted.");
      if (m.all) offer("");
      void settings.fill(m.all);
      return void database.jobs().then((kept) => dropCards(new Set(kept.map((j) => j.id))));
  }
}

function showJob(job: Job, ahead: number): void {
  let card = cards.get(job.id);
  if (!card) {
    card = new Card(job, (yes) => client.send({ type: "confirm", id: job.id, yes }));
    cards.set(job.id, card);
    log.append(card.item);
    byId("empty", HTMLDivElement).hidden = true;
  }
  card.show(job, ahead);
  showFollows();
  log.scrollTop = log.scrollHeight;
  byId("stop", HTMLButtonElement).disabled = open() === undefined;
}

function dropCards(kept: Set<string>): void {
  for (const [id, card] of cards) {
    if (kept.has(id)) continue;
    card.item.remove();
    cards.delete(id);
  }
  byId("empty", HTMLDivElement).hidden = cards.size > 0;
  showFollows();
}

/** The answer that the next question goes on from: the last one, unless the user begins anew or asks about a selection. */
function follows(): string | undefined {
  const last = [...cards.values()].at(-1)?.job;
  return chat && quote.hidden && last?.state === "done" && last.id !== left ? last.id : undefined;
}

function showFollows(): void {
  byId("follows", HTMLParagraphElement).hidden = follows() === undefined;
}

function beginAnew(): void {
  left = follows();
  showFollows();
  ask.focus();
}

/** The oldest question that is not over. */
function open(): Card | undefined {
  return [...cards.values()].find((c) => c.item.hasAttribute("aria-busy"));
}

function stop(): void {
  const card = open();
  if (card) client.send({ type: "stop", id: card.job.id });
}

function offer(text: string): void {
  quote.hidden = text === "";
  quoteText.textContent = text;
  showFollows();
  if (text !== "") ask.focus();
}

function dropOffer(): void {
  offer("");
  void database.get("offers").then((all) => {
    const { [window]: _, ...rest } = all ?? {};
    return database.set("offers", rest);
  });
}

function submit(): void {
  const text = ask.value.trim();
  if (text === "") return;
  const question = { task: "ask" as const, ask: text, text: quoteText.textContent ?? "" };
  const after = follows();
  client.send({ type: "start", id: crypto.randomUUID(), window, question, ...(after && { after }) });
  ask.value = "";
  if (question.text !== "") dropOffer();
}

const phases = { download: "Downloading", verify: "Checking", load: "Loading", warmup: "Warming up" };

function showStatus(status: Status): void {
  const { engine, error, loading } = status;
  chat = status.chat;
  showFollows();
  byId("loading", HTMLDivElement).hidden = !loading;
  if (loading) showProgress(loading);
  const facts = engine
    ? [
        make("li", status.model),
        make("li", engine.threads === 1 ? "1 thread" : `${engine.threads} threads`, {
          title: engine.singleThreadReason ?? "",
        }),
      ]
    : [];
  byId("facts", HTMLUListElement).replaceChildren(...facts);
  if (error) say(error.message, true);
  showApprovals(status.approvals);
  settings.showStyle(status.style);
  void settings.showStored();
  void settings.showOrigins();
}

function showProgress(p: Progress): void {
  byId("progress", HTMLProgressElement).value = p.ratio;
  const size = p.total > 0 ? ` ${megabytes(p.loaded)} of ${megabytes(p.total)}` : "";
  byId("progress-label", HTMLLabelElement).textContent = phases[p.phase] + size;
}

function showApprovals(origins: string[]): void {
  const boxes = origins.map((origin) => {
    const box = make("div", "", { class: "ask-user" });
    box.append(make("p", `${origin} wants to use the model on this device.`));
    const row = make("div", "", { class: "row" });
    for (const [label, yes] of [
      ["Allow", true],
      ["Refuse", false],
    ] as const) {
      const b = make("button", label, { type: "button", "aria-label": `${label} ${origin}` });
      b.onclick = () => client.send({ type: "allow", origin, yes });
      row.append(b);
    }
    box.append(row);
    return box;
  });
  byId("approvals", HTMLDivElement).replaceChildren(...boxes);
}

function listen(): void {
  byId("composer", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    submit();
  };
  ask.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  document.onkeydown = (event) => event.key === "Escape" && stop();
  byId("stop", HTMLButtonElement).onclick = stop;
  byId("drop", HTMLButtonElement).onclick = dropOffer;
  byId("anew", HTMLButtonElement).onclick = beginAnew;
}

async function start(): Promise<void> {
  startTheme(byId("theme", HTMLButtonElement));
  // A panel opened in a tab may say which window it stands for.
  window = Number(new URLSearchParams(location.search).get("window") ?? (await chrome.windows.getCurrent()).id ?? 0);
  client = new Client(window);
  settings = new SettingsPart((m) => client.send(m), say);
  await settings.fill(true);
  listen();
  client.have = () => Object.fromEntries([...cards].map(([id, c]) => [id, c.position]));
  client.onMessage = receive;
  await client.open();
}

void start();
