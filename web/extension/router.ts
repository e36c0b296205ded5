// What the background script does in both browsers: menus, the panel, pages' ports. It keeps nothing in memory, for it
// may be stopped at any moment; every event starts from nothing.
//
// It must not know of engines or jobs: it hands on what the user clicked.

import { type Note, pagePort, type Question, type Task } from "./messages.js";

/** How the router reaches the host, making it first where it is not there. */
export interface ToHost {
  note(note: Extract<Note, { to: "host" }>): Promise<void>;
  connect(name: string): Promise<ExtPort>;
}

const menus: [id: Task | "sample", title: string][] = [
  ["summarise", "Summarise"],
  ["rewrite", "Rewrite"],
  ["ask", "Ask about this…"],
  ["sample", "Add to my style samples"],
];

/** Firefox only: pages there cannot connect by themselves. */
const letIn = "let-in";

/** Registers all listeners; to be called at once when the script runs, or events are lost. */
export function startRouter(host: ToHost): void {
  chrome.runtime.onInstalled.addListener(() => void makeMenus());
  chrome.contextMenus.onClicked.addListener((click, tab) => void clicked(host, click, tab));
  chrome.runtime.onConnectExternal?.addListener((port) => void relay(host, port).catch(() => port.disconnect()));
  if (chrome.sidePanel) void chrome.sidePanel.setPanelBehavior({ openPanelOnActionClick: true });
  else chrome.action.onClicked.addListener(() => void chrome.sidebarAction?.open());
}

async function makeMenus(): Promise<void> {
  await chrome.contextMenus.removeAll();
  for (const [id, title] of menus) chrome.contextMenus.create({ id, title, contexts: ["selection"] });
  if (chrome.scripting)
    chrome.contextMenus.create({ id: letIn, title: "Let this page use Pastel", contexts: ["page"] });
}

async function clicked(host: ToHost, click: ExtClick, tab: ExtTab | undefined): Promise<void> {
  if (click.menuItemId === letIn && tab?.id !== undefined) {
    return void (await chrome.scripting?.executeScript({ target: { tabId: tab.id }, files: ["bridge.js"] }));
  }
  const text = (click.selectionText ?? "").trim();
  const entry = menus.find(([id]) => id === click.menuItemId)?.[0];
  if (text === "" || entry === undefined || tab === undefined) return;
  const window = tab.windowId;
  if (entry === "sample") return await host.note({ to: "host", type: "sample", text });
  // First, and before anything is awaited: a panel opens only while the click is being handled.
  const opening = chrome.sidePanel ? chrome.sidePanel.open({ windowId: window }) : chrome.sidebarAction?.open();
  opening?.catch(() => undefined); // without it the answer still waits in the panel
  if (entry === "ask") return await host.note({ to: "host", type: "offer", window, text });
  const question: Question = { task: entry, ask: "", text };
  await host.note({ to: "host", type: "start", id: crypto.randomUUID(), window, question });
}

/** Carries a page's messages to the host and back, with the origin the browser vouches for. */
async function relay(host: ToHost, page: ExtPort): Promise<void> {
  const origin = page.sender?.origin;
  const early: unknown[] = [];
  let inner: ExtPort | undefined;
  let gone = false;
  page.onMessage.addListener((m) => (inner ? inner.postMessage(m) : early.push(m)));
  page.onDisconnect.addListener(() => {
    gone = true;
    inner?.disconnect();
  });
  if (origin === undefined || origin === "null") return page.disconnect();
  inner = await host.connect(pagePort + origin);
  inner.onMessage.addListener((m) => gone || page.postMessage(m));
  inner.onDisconnect.addListener(() => page.disconnect()); // the page connects again and attaches
  for (const m of early) inner.postMessage(m);
  if (gone) inner.disconnect(); // its last words, a stop perhaps, are said
}

/** Shows how many pages wait to be allowed. */
export async function showBadge(n: number): Promise<void> {
  await chrome.action.setBadgeText({ text: n === 0 ? "" : String(n) });
}
