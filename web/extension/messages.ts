// Everything that crosses a port or a message of the extension, as one union each way.
//
// A job is one question and its answer. Its id is the generation id: whoever asks chooses it, so a request that is
// sent again because a port died meanwhile finds the job that is there, and nothing is generated twice.

import type { ChatMessage, LoraScale, Progress } from "../src/index.js";
import type { Extent, Label, Mode } from "../src/offload.js";

/** What a menu entry or a button of the panel does with a piece of text. */
export type Task = "summarise" | "rewrite" | "ask";

/** The question. `text` is the page's and stays data (see prompts.ts). */
export interface Question {
  task: Task;
  /** What the user typed; empty for summarise and rewrite. */
  ask: string;
  /** What the user selected on a page; empty when there is none. */
  text: string;
}

/** How long and how freely to answer. */
export interface Sampling {
  max_tokens: number;
  temperature: number;
  seed: number;
  /** A page's choice is ignored: adapters are the user's. */
  lora?: LoraScale[];
}

export type JobState = "approval" | "confirm" | "queued" | "running" | "done" | "failed" | "stopped";

/** One question and its answer, as it is kept. */
export interface Job {
  readonly id: string;
  /** "panel", or the origin of the page that asked. */
  readonly from: string;
  /** The browser window that asked; 0 for a page. */
  readonly window: number;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly question?: Question;
  /** The panel's question that this one goes on from. */
  readonly after?: string;
  /** The conversation, for a page's request. */
  readonly messages?: ChatMessage[];
  readonly sampling: Sampling;
  state: JobState;
  /** Every time the answer begins anew, by another answerer, this grows. */
  draft: number;
  text: string;
  /** How often a host began it. */
  attempts: number;
  /** The taught style that the device answers in, if any. */
  style?: string;
  /** Who answers, why, and how sure the device was. */
  label?: Label;
  /** The host that the user is asked about. */
  asks?: string;
  error?: { code: string; message: string };
}

/** How far a client has a job's text: it gets the rest. `at` counts UTF-16 units. */
export interface Position {
  draft: number;
  at: number;
}

/** Where harder questions may go. */
export interface ServerSettings {
  mode: Mode;
  url: string;
  model: string;
  extent: Extent;
  /** Answers whose tokens are on average less likely than this, 0 to 1, go to the server. */
  threshold: number;
}

/** What the user set. */
export interface Settings {
  /** A URL or owner/repo:quant; "" is the bundled model. */
  model: string;
  /** The address of a pool.json for this model; "" is the bundled model's. */
  pool: string;
  max_tokens: number;
  temperature: number;
  /** Answer in the taught style where there is one. */
  style: boolean;
  server: ServerSettings;
}

/** The taught style. */
export interface Style {
  /** The adapter's name in requests. */
  id: string;
  samples: number;
  /** Milliseconds the customisation took. */
  tookMs: number;
  /** Weight of each adapter of the pool. */
  weights: number[];
  /** The model it was made for. */
  model: string;
}

/** What the panel shows beside the conversation. */
export interface Status {
  model: string;
  loading?: Progress;
  engine?: { flavour: string; threads: number; singleThreadReason?: string };
  /** Whether the model holds conversations: one without a chat template only continues a text. */
  chat: boolean;
  error?: { code: string; message: string };
  /** Origins of pages that wait to be allowed. */
  approvals: string[];
  style?: Style;
}

/** Panel to host. */
export type FromPanel =
  | { type: "hello"; window: number; have: Record<string, Position> }
  | { type: "start"; id: string; window: number; question: Question; after?: string }
  | { type: "stop"; id: string }
  /** The answer to a job in state "confirm": send this question to the server? */
  | { type: "confirm"; id: string; yes: boolean }
  | { type: "allow"; origin: string; yes: boolean }
  | { type: "settings"; settings: Settings }
  | { type: "teach"; samples: string[] }
  | { type: "forget" }
  | { type: "deleteModel"; id: string }
  | { type: "deleteAll" };

/** Host to panel. */
export type ToPanel =
  | { type: "status"; status: Status }
  | { type: "job"; job: Job; ahead: number }
  | { type: "text"; id: string; draft: number; at: number; text: string }
  /** A selection that waits for its question. */
  | { type: "offer"; window: number; text: string }
  | { type: "taught"; style: Style }
  | { type: "failed"; what: "teach" | "deleteModel" | "deleteAll"; code: string; message: string }
  /** A sample was added on a page. */
  | { type: "sample"; text: string }
  /** A model was deleted, or everything. */
  | { type: "deleted"; all: boolean };

/** Page to extension, over runtime.connect (docs/extension-api.md). */
export type FromPage =
  | { type: "ask"; id: string; messages: ChatMessage[]; max_tokens?: number; temperature?: number; seed?: number }
  | { type: "attach"; id: string; draft: number; at: number }
  | { type: "stop"; id: string };

/** Extension to page. */
export type ToPage =
  | { type: "state"; id: string; state: JobState; ahead: number; error?: { code: string; message: string } }
  | { type: "text"; id: string; draft: number; at: number; text: string }
  | { type: "error"; id: string; code: string; message: string };

/** Firefox: what the bridge tells its page. */
export interface FromBridge {
  pastel: "from";
  message?: ToPage;
  /** The line died; the next message opens another. */
  closed?: true;
}

/** What the service worker and the host say to each other, and what wakes the first. */
export type Note =
  | { to: "router"; type: "ensure" }
  | { to: "router"; type: "badge"; n: number }
  | { to: "host"; type: "start"; id: string; window: number; question: Question }
  | { to: "host"; type: "offer"; window: number; text: string }
  | { to: "host"; type: "sample"; text: string };

/** A port's name: the panel's, or a page's with its origin as the browser told it to the router. */
export const panelPort = "panel";
export const pagePort = "page:";
