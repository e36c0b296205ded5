// Firefox's way for a page to reach the model: a content script that the user lets into the page from its menu. It
// carries messages and knows nothing of them; the host asks the user again before it answers an origin.

import type { FromBridge, ToPage } from "./messages.js";

const mark = "pastelBridge";

if (!(mark in document.documentElement.dataset)) {
  document.documentElement.dataset[mark] = "";
  let port: ExtPort | undefined;
  const tell = (what: Omit<FromBridge, "pastel">): void =>
    window.postMessage({ pastel: "from", ...what } satisfies FromBridge, location.origin);
  const open = (): ExtPort => {
    const made = chrome.runtime.connect({ name: "bridge" });
    made.onMessage.addListener((message) => tell({ message: message as ToPage }));
    made.onDisconnect.addListener(() => {
      port = undefined;
      tell({ closed: true });
    });
    return made;
  };
  addEventListener("message", (event: MessageEvent<{ pastel?: string; message?: unknown }>) => {
    if (event.source !== window || event.data?.pastel !== "to") return;
    (port ??= open()).postMessage(event.data.message);
  });
}
