// Chrome's offscreen document: the host, reached by ports and notes.

import { Host } from "./host/host.js";
import type { Note } from "./messages.js";

const host = new Host((note) => void chrome.runtime.sendMessage(note).catch(() => undefined));

chrome.runtime.onConnect.addListener((port) => host.connect(port));
chrome.runtime.onMessage.addListener((message, sender, reply) => {
  const note = message as Note;
  if (sender.id !== chrome.runtime.id || sender.tab || note.to !== "host") return undefined;
  host.note(note).then(
    () => reply(true),
    () => reply(false),
  );
  return true;
});
