// Firefox's background page: router and host in one document, for Firefox has no offscreen documents.

import { Host } from "./host/host.js";
import type { Note } from "./messages.js";
import { showBadge, startRouter } from "./router.js";

const host = new Host((note) => note.type === "badge" && void showBadge(note.n));

startRouter({
  note: (note) => host.note(note),
  connect: () => Promise.reject(new Error("Firefox has no external connections")),
});
chrome.runtime.onConnect.addListener((port) => host.connect(port));
chrome.runtime.onMessage.addListener((message, sender, reply) => {
  if (sender.id !== chrome.runtime.id || (message as Note).to !== "router") return undefined;
  reply(true); // this page is awake now, which is all that was asked
  return undefined;
});
