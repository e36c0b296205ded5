// The record of what the user agreed to send, to which host: twin of consent.go.
// Kept in localStorage, so that every tab sees a revocation at once.

import { ConsentError } from "../errors.js";
import { type Extent, serverHost } from "./route.js";

/** One recorded decision. Revoking dates it, so the record shows what was allowed when, until it is cleared. */
export interface Consent {
  host: string;
  extent: Extent;
  /** Names the text the user agreed to. */
  notice: string;
  granted_ms: number;
  revoked_ms?: number;
}

/** Where the record is kept; localStorage is one. */
export type ConsentStorage = Pick<Storage, "getItem" | "setItem">;

const key = "pastel-consent";

/** The record. Every check reads the storage again. */
export class ConsentLedger {
  readonly #storage: ConsentStorage;
  constructor(storage: ConsentStorage = localStorage) {
    this.#storage = storage;
  }

  /** All decisions, in order of time. A record that cannot be read counts as none: then nothing is sent. */
  records(): Consent[] {
    try {
      const stored: unknown = JSON.parse(this.#storage.getItem(key) ?? "[]");
      return Array.isArray(stored) ? stored.filter(isConsent) : [];
    } catch {
      return [];
    }
  }

  /** Records consent for the host of a server URL, replacing what was agreed for it before. Throws BadRequestError. */
  grant(url: string, extent: Extent, notice: string, nowMs = Date.now()): void {
    const host = serverHost(url);
    this.#write([...this.#revoked(host, nowMs), { host, extent, notice, granted_ms: nowMs }]);
  }

  /** Ends consent for the host of a server URL from now on. */
  revoke(url: string, nowMs = Date.now()): void {
    this.#write(this.#revoked(serverHost(url), nowMs));
  }

  /** Forgets the record itself, for a user who deletes everything. Nothing is allowed afterwards. */
  clear(): void {
    this.#write([]);
  }

  /** What may be sent to the host of a server URL. Throws ConsentError without consent in force for exactly that host. */
  check(url: string): Extent {
    const host = serverHost(url);
    const found = this.records().find((c) => c.host === host && !c.revoked_ms);
    if (found === undefined) throw new ConsentError("ERR_CONSENT", `offload: no consent to send to ${host}`);
    return found.extent;
  }

  /** Like check, as a question. */
  has(url: string): boolean {
    const host = serverHost(url);
    return this.records().some((c) => c.host === host && !c.revoked_ms);
  }

  #revoked(host: string, nowMs: number): Consent[] {
    return this.records().map((c) => (c.host === host && !c.revoked_ms ? { ...c, revoked_ms: Math.max(nowMs, 1) } : c));
  }

  #write(records: Consent[]): void {
    this.#storage.setItem(key, JSON.stringify(records));
  }
}

function isConsent(v: unknown): v is Consent {
  if (typeof v !== "object" || v === null) return false;
  const c = v as Record<string, unknown>;
  return typeof c["host"] === "string" && (c["extent"] === "last-turn" || c["extent"] === "conversation");
}
