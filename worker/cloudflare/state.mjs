// The Durable Object behind state_js.go. One object serves one name: a bucket,
// a budget or the counters. An object runs one operation at a time between
// awaits, and the platform delays other requests while storage is awaited.

const operations = {
  // A token bucket, in memory: an object that is put to sleep has been idle
  // long enough for its bucket to be full again.
  take(object, { perSecond, burst }) {
    const now = Date.now();
    const last = object.bucket ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, last.tokens + ((now - last.at) / 1000) * perSecond);
    const ok = tokens >= 1;
    object.bucket = { tokens: ok ? tokens - 1 : tokens, at: now };
    return { wait: ok ? 0 : Math.max(1, ((1 - tokens) / perSecond) * 1000) };
  },

  async spend(object, { day, n, budget }) {
    const spent = (await object.storage.get("spent")) ?? { day, n: 0 };
    if (day < spent.day) return { ok: true }; // given back after midnight: that day is over
    const before = day === spent.day ? spent.n : 0;
    if (n > 0 && before + n > budget) return { ok: false };
    await object.storage.put("spent", { day, n: Math.max(0, before + n) });
    return { ok: true };
  },

  async count(object, { deltas }) {
    const counters = (await object.storage.get("counters")) ?? {};
    for (const [name, d] of Object.entries(deltas)) counters[name] = (counters[name] ?? 0) + d;
    await object.storage.put("counters", counters);
    return {};
  },

  async counters(object) {
    return (await object.storage.get("counters")) ?? {};
  },
};

export class State {
  constructor(state) {
    this.storage = state.storage;
  }

  async fetch(request) {
    const op = await request.json();
    if (!Object.hasOwn(operations, op.op)) return new Response("unknown operation", { status: 400 });
    return Response.json(await operations[op.op](this, op));
  }
}
