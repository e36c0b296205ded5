// The page of package lab: fetches a job, gives it to a fresh worker that may
// block, and posts what the worker answers. See browser.go for the job's form.
"use strict";

async function job() {
  const body = await (await fetch("/job")).arrayBuffer();
  const worker = new Worker("/worker.js");
  const answer = await new Promise((resolve, reject) => {
    worker.onmessage = (e) => (e.data.error ? reject(new Error(e.data.error)) : resolve(e.data.answer));
    worker.onerror = (e) => reject(new Error(e.message));
    worker.postMessage(body, [body]);
  });
  worker.terminate();
  await fetch("/answer", { method: "POST", body: answer });
  return answer.byteLength;
}
