// The workers of package lab: the conductor, which gets a job, and helpers,
// which get {module, memory, control}.
"use strict";

onmessage = async (e) => {
  if (e.data.module) {
    const { exports } = new WebAssembly.Instance(e.data.module, { env: { memory: e.data.memory } });
    postMessage("ready");
    try {
      exports.help(e.data.control);
      postMessage("stopped");
    } catch (err) {
      postMessage("died: " + err);
    }
    return;
  }
  try {
    const answer = await conduct(e.data);
    postMessage({ answer }, [answer]);
  } catch (err) {
    postMessage({ error: String(err.stack || err) });
  }
};

async function conduct(body) {
  const n = new DataView(body).getUint32(0, true);
  const job = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, n)));
  const blob = new Uint8Array(body, 4 + n);
  const memory = new WebAssembly.Memory({ initial: job.pages, maximum: 65536, shared: true });
  const modules = job.modules.map((m) => new WebAssembly.Module(blob.subarray(m.at, m.at + m.n)));
  for (let i = 1; i < job.threads; i++) {
    await helper(modules[0], memory, job.control);
  }
  const arrived = new Int32Array(memory.buffer, job.control + job.arrived, 1);
  while (Atomics.load(arrived, 0) < job.threads - 1) {}
  const runs = modules.map((m) => new WebAssembly.Instance(m, { env: { memory } }).exports);
  if (job.q8zero) {
    return new Int32Array([runs[0].q8_zero()]).buffer;
  }
  return job.calls ? time(job, blob, memory, runs) : run(job, blob, memory, runs[0]);
}

async function helper(module, memory, control) {
  const worker = new Worker("/worker.js");
  await new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = reject;
    worker.postMessage({ module, memory, control });
  });
}

function write(memory, blob, spans, fill) {
  for (const s of spans) {
    const to = new Uint8Array(memory.buffer, s.addr, s.n);
    if (s.at < 0) to.fill(fill);
    else to.set(blob.subarray(s.at, s.at + s.n));
  }
}

// run executes every image and returns its spans, one after another.
function run(job, blob, memory, exports) {
  const answer = new Uint8Array(job.bytes);
  let at = 0;
  for (const image of job.images) {
    write(memory, blob, image.spans, job.fill);
    exports.run(job.control, image.tape, image.ops);
    for (const s of image.spans) {
      answer.set(new Uint8Array(memory.buffer, s.addr, s.n), at);
      at += s.n;
    }
  }
  return answer.buffer;
}

// time times every call in turn, and returns the shortest of each round in
// seconds, [call][round] float64. A timing is at least 50 µs long.
function time(job, blob, memory, runs) {
  write(memory, blob, job.spans, job.fill);
  const out = new Float64Array(job.calls.length * job.rounds).fill(Infinity);
  const repeat = job.calls.map(() => 1);
  for (let round = -job.warm; round < job.rounds; round++) {
    job.calls.forEach((c, i) => {
      const { run } = runs[c.module];
      const begin = performance.now();
      do {
        const start = performance.now();
        for (let k = 0; k < repeat[i]; k++) run(job.control, c.a, c.b);
        const ms = performance.now() - start;
        if (round >= 0) out[i * job.rounds + round] = Math.min(out[i * job.rounds + round], ms / repeat[i] / 1000);
        else if (ms < 0.05) repeat[i] *= 2;
      } while (performance.now() - begin < job.minMs);
    });
  }
  return out.buffer;
}
