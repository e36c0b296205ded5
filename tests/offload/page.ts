// The functions that the Go tests call in the page, each with one JSON argument.

import * as offload from "../../web/src/offload.js";

/** A row of a table; each check knows the fields of its own. */
type Row = Record<string, unknown>;

/** Runs a table of testdata/offload and returns what is wrong. */
async function table({
  name,
  rows,
}: {
  name: string;
  rows: Row[];
}): Promise<string[]> {
  const check = checks[name];
  if (check === undefined) return [`no check for ${name}`];
  return rows.flatMap((row) => {
    const got = JSON.stringify(check(row));
    const want = JSON.stringify("want" in row ? row["want"] : true);
    return got === want
      ? []
      : [
          `${JSON.stringify(row["name"] ?? row["url"] ?? row["text"])}: ${got}, want ${want}`,
        ];
  });
}

interface RouteRow {
  policy: offload.Policy;
  at: offload.Stage;
  signals: offload.Signals;
  tie?: number;
  env: offload.Env;
}

interface RegionRow {
  region: offload.Region;
  query: number[];
  want: offload.Signals;
  threshold: number | null;
}

interface CalibrateRow {
  queries: offload.Scored[];
  budget: number;
  scope: offload.Threshold;
}

interface BreakerRow {
  steps: {
    do: "allow" | "state" | "success" | "failure" | "abandon";
    at: number;
    want?: unknown;
  }[];
}

interface MinimiseRow {
  messages: offload.Turn[];
  extent: offload.Extent;
}

const checks: Record<string, (row: Row) => unknown> = {
  route: (row) => {
    const r = row as unknown as RouteRow;
    return offload.decide(r.policy, r.at, r.signals, r.tie ?? 0, r.env);
  },
  region: (row) => {
    const r = row as unknown as RegionRow;
    const t = offload.scopeThreshold(r.region);
    // Sums of eight or fewer products in another order: some 2⁻⁵⁰.
    const near = (a?: number, b?: number): boolean =>
      a === b || Math.abs(a! - b!) <= 1e-14;
    const got = offload.scopeOf(r.query, { ...r.region });
    const right =
      near(got.scope, r.want.scope) &&
      near(got.nearest, r.want.nearest) &&
      t.on === (r.threshold !== null) &&
      near(t.score, r.threshold ?? 0);
    return right ? r.want : { ...got, threshold: t };
  },
  options: (row) => {
    const { logprobs, want } = row as unknown as {
      logprobs: number[];
      want: Required<Pick<offload.Signals, "max_prob" | "margin" | "entropy">>;
    };
    const got = offload.optionSignals(logprobs);
    const keys = ["max_prob", "margin", "entropy"] as const;
    return keys.every((k) => Math.abs(got[k]! - want[k]) <= 1e-14) ? want : got;
  },
  calibrate: (row) => {
    const { queries, budget, scope } = row as unknown as CalibrateRow;
    const { confidence, early, usage, ...made } = offload.calibrate(
      queries,
      budget,
      scope,
    );
    return { scope: made.scope, confidence, early, usage };
  },
  host: (row) => tried(() => offload.serverHost(String(row["url"])), ""),
  tiebreak: (row) => offload.tieBreak(String(row["text"])),
  minimise: (row) => {
    const r = row as unknown as MinimiseRow;
    return tried(() => offload.minimise(r.messages, r.extent), null);
  },
  breaker: (row) => {
    const b = new offload.Breaker();
    return (row as unknown as BreakerRow).steps.every((s) => {
      const got = b[s.do](s.at);
      return s.want === undefined || got === s.want;
    });
  },
};

function tried<T>(f: () => T, otherwise: unknown): unknown {
  try {
    return f();
  } catch {
    return otherwise;
  }
}

/** Parses events from bytes (base64) that arrive in pieces. */
async function parse({
  bytes,
  size,
}: {
  bytes: string;
  size: number;
}): Promise<string[]> {
  const all = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let i = 0; i < all.length; i += size)
        controller.enqueue(all.slice(i, i + size));
      controller.close();
    },
  });
  const out: string[] = [];
  for await (const data of offload.events(stream)) out.push(data);
  return out;
}

interface Ask {
  url: string;
  model: string;
  token: string;
  policy: offload.Policy;
  messages: offload.Turn[];
  /** Signals of the scripted device: before a decode, and with the last piece. */
  before?: offload.Signals;
  after?: offload.Signals;
  firstMs?: number;
  idleMs?: number;
  /** What the user says when asked. */
  yes?: boolean;
  /** Abort after this many milliseconds. */
  abortMs?: number;
}

let hybrid: offload.Hybrid | undefined;
const ledger = new offload.ConsentLedger();

/** Answers once; the same Hybrid serves later calls when `keep` is set, so that breakers add up. */
async function answer(a: Ask & { keep?: boolean }): Promise<unknown> {
  const asked: string[] = [];
  const device: offload.Device = {
    before: async () => a.before ?? {},
    async *answer() {
      yield { text: "draft " };
      yield { text: "of the device", signals: a.after ?? {} };
    },
  };
  if (hybrid === undefined || !a.keep) {
    hybrid = new offload.Hybrid({
      device,
      policy: a.policy,
      consent: ledger,
      server: {
        url: a.url,
        model: a.model,
        token: () => a.token,
        ...(a.firstMs ? { firstMs: a.firstMs } : {}),
        ...(a.idleMs ? { idleMs: a.idleMs } : {}),
      },
      confirm: (host, reason) => {
        asked.push(`${host} ${reason}`);
        return a.yes ?? false;
      },
    });
  }
  const signal =
    a.abortMs === undefined ? undefined : AbortSignal.timeout(a.abortMs);
  const events: offload.HybridEvent[] = [];
  const began = performance.now();
  let error = "";
  try {
    for await (const e of hybrid.answer(a.messages, signal)) events.push(e);
  } catch (err) {
    const { code, name } = err as { code?: unknown; name: string };
    error = typeof code === "string" ? code : name; // a DOMException's code is a number
  }
  const last = events.at(-1);
  return {
    error,
    asked,
    ms: performance.now() - began,
    text: last?.type === "done" ? last.text : null,
    label: last?.label ?? null,
    shown: shown(events),
    replaced: events.flatMap((e) => (e.type === "replace" ? [e.draft] : [])),
  };
}

/** What a page would show in the end: text added up, begun again at each "replace". */
function shown(events: offload.HybridEvent[]): string {
  return events.reduce(
    (text, e) =>
      e.type === "text" ? text + e.text : e.type === "replace" ? "" : text,
    "",
  );
}

async function consent({
  url,
  extent,
}: {
  url: string;
  extent: offload.Extent | "";
}): Promise<unknown> {
  if (extent === "") ledger.revoke(url);
  else ledger.grant(url, extent, "test notice");
  return ledger.records();
}

Object.assign(globalThis, {
  api: { table, parse, answer, consent },
  ready: true,
});
