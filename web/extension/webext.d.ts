// The few extension APIs used here, as Chrome and Firefox both have them. Typed by hand so that no package is needed.

interface ExtEvent<F extends (...args: never[]) => unknown> {
  addListener(listener: F): void;
  removeListener(listener: F): void;
}

interface ExtSender {
  id?: string;
  url?: string;
  origin?: string;
  tab?: { id?: number; windowId: number };
}

interface ExtPort {
  readonly name: string;
  readonly sender?: ExtSender;
  postMessage(message: unknown): void;
  disconnect(): void;
  readonly onMessage: ExtEvent<(message: unknown) => void>;
  readonly onDisconnect: ExtEvent<() => void>;
}

interface ExtTab {
  id?: number;
  windowId: number;
  url?: string;
}

interface ExtClick {
  menuItemId: string | number;
  selectionText?: string;
}

declare const chrome: {
  runtime: {
    readonly id: string;
    readonly lastError?: { message: string };
    getURL(path: string): string;
    connect(info: { name: string }): ExtPort;
    sendMessage(message: unknown): Promise<unknown>;
    getContexts?(filter: { contextTypes: string[] }): Promise<{ documentUrl: string }[]>;
    getPlatformInfo(): Promise<unknown>;
    readonly onConnect: ExtEvent<(port: ExtPort) => void>;
    readonly onConnectExternal?: ExtEvent<(port: ExtPort) => void>;
    readonly onInstalled: ExtEvent<() => void>;
    readonly onMessage: ExtEvent<
      (message: unknown, sender: ExtSender, reply: (answer: unknown) => void) => boolean | undefined
    >;
  };
  action: {
    setBadgeText(details: { text: string }): Promise<void>;
    readonly onClicked: ExtEvent<(tab: ExtTab) => void>;
  };
  contextMenus: {
    create(item: { id: string; title: string; contexts: string[]; parentId?: string }): void;
    removeAll(): Promise<void>;
    readonly onClicked: ExtEvent<(click: ExtClick, tab?: ExtTab) => void>;
  };
  offscreen?: {
    createDocument(options: { url: string; reasons: string[]; justification: string }): Promise<void>;
  };
  scripting?: {
    executeScript(options: { target: { tabId: number }; files: string[] }): Promise<unknown>;
  };
  sidePanel?: {
    open(options: { windowId: number }): Promise<void>;
    setPanelBehavior(options: { openPanelOnActionClick: boolean }): Promise<void>;
  };
  sidebarAction?: { open(): Promise<void> };
  windows: { getCurrent(): Promise<{ id?: number }> };
};
