// The slow road for servers that do not know ranges: the whole file in one
// answer, from the start after every cut. Chunks stored before are compared,
// not written again.

import { NetError } from "../errors.js";
import { sha256 } from "../storage/digest.js";
import { chunkRange } from "../storage/manifest.js";
import type { Job } from "./download.js";
import { BodyReader, ChangedError, openRange, retry } from "./range.js";

/** Fills the missing chunks of job.m from complete answers. Rejects like download. */
export async function downloadWhole(job: Job): Promise<void> {
  await retry(job.m.url, job.signal, (progressed) => readAnswer(job, progressed));
}

async function readAnswer(job: Job, progressed: () => void): Promise<void> {
  const { m, signal } = job;
  const body = new BodyReader(await openRange(job.remote, 0, m.size, signal));
  let buffer = new ArrayBuffer(m.chunkBytes);
  try {
    for (let i = 0; i < m.chunks.length; i++) {
      const [start, end] = chunkRange(m, i);
      const bytes = new Uint8Array(buffer, 0, end - start);
      const n = await body.fill(bytes, signal, () => undefined);
      if (n < bytes.length) throw new NetError("ERR_NET", `${m.url}: connection cut at byte ${start + n}`);
      if (!(await isNew(job, i, bytes))) continue;
      buffer = job.follower?.stored(i, bytes) ?? buffer;
      progressed();
    }
  } finally {
    body.cancel();
  }
}

// Stores chunk i and resolves with whether it is new.
async function isNew(job: Job, i: number, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const { store, source, m, counter, digest } = job;
  const had = m.chunks[i]!;
  if (had !== "") {
    if ((await sha256(bytes)) !== had) throw new ChangedError(m.url);
    return false;
  }
  m.chunks[i] = await store.putChunk(bytes, source.chunks?.[i]);
  await store.save(m);
  digest.follow();
  counter.add(bytes.length);
  return true;
}
