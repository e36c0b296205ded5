// Chrome's service worker: makes sure that the host exists, and routes.

import type { Note } from "./messages.js";
import { showBadge, startRouter } from "./router.js";

const page = "offscreen.html";
let making: Promise<void> | undefined;

/** Makes the offscreen document unless it is there. Resolves when it listens. */
async function ensureHost(): Promise<void> {
  const open = await chrome.runtime.getContexts!({ contextTypes: ["OFFSCREEN_DOCUMENT"] });
  if (open.length > 0) return;
  making ??= chrome
    .offscreen!.createDocument({
      url: page,
      reasons: ["WORKERS"],
      justification: "Runs the language model in a worker of its own, which a service worker cannot start.",
    })
    .finally(() => (making = undefined));
  await making;
}

startRouter({
  async note(note) {
    await ensureHost();
    await chrome.runtime.sendMessage(note);
  },
  async connect(name) {
    await ensureHost();
    return chrome.runtime.connect({ name });
  },
});

chrome.runtime.onMessage.addListener((message, sender, reply) => {
  const note = message as Note;
  if (sender.id !== chrome.runtime.id || note.to !== "router") return undefined;
  if (note.type === "badge") return void showBadge(note.n);
  ensureHost().then(
    () => reply(true),
    () => reply(false),
  );
  return true; // the answer comes later
});
