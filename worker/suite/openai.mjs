// What a user of the official client does, against the URL and token given.
import { pathToFileURL } from "node:url";

const [, , packageDir, baseURL, apiKey] = process.argv;
const { default: OpenAI } = await import(pathToFileURL(`${packageDir}/index.mjs`));
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "grüße 東京 🎨" }];

async function failure(promise) {
  try {
    await promise;
    return "no error";
  } catch (err) {
    return [err.constructor.name, err.status ?? null, err.code ?? null];
  }
}

async function text(stream) {
  let all = "";
  for await (const chunk of stream) all += chunk.choices[0]?.delta?.content ?? "";
  return all;
}

const out = {};
out.models = (await client.models.list()).data.map((m) => m.id);
const whole = await client.chat.completions.create({ model: "echo", messages });
out.whole = [whole.choices[0].message.content, whole.usage.total_tokens, whole.model, typeof whole._request_id];
out.stream = await text(await client.chat.completions.create({ model: "count-20", messages, stream: true }));
const withUsage = await client.chat.completions.create({ model: "echo", messages, stream: true, stream_options: { include_usage: true } });
for await (const chunk of withUsage) out.usage = chunk.usage?.total_tokens ?? out.usage;
out.auth = await failure(new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 }).models.list());
out.model = await failure(client.chat.completions.create({ model: "none", messages }));
out.bad = await failure(client.chat.completions.create({ model: "echo", messages, temperature: 9 }));
out.upstream = await failure(client.chat.completions.create({ model: "status-500", messages }));
out.cut = await failure(text(await client.chat.completions.create({ model: "cut-3", messages, stream: true })));
const endless = await client.chat.completions.create({ model: "endless", messages, stream: true });
out.left = 0;
for await (const _ of endless) if (++out.left === 5) break; // aborts
console.log(JSON.stringify(out));
