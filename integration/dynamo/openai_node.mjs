// The official OpenAI client for Node against BASE_URL; prints one JSON object for test_openai_node.py.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "unused", maxRetries: 0 });
const ask = {
  model: "MoM",
  messages: [{ role: "user", content: "What is 2+2?" }],
  max_tokens: 6,
};
const report = {};

const { data, response } = await client.chat.completions.create(ask).withResponse();
report.unary = {
  content: data.choices[0].message.content,
  finish_reason: data.choices[0].finish_reason,
  completion_tokens: data.usage.completion_tokens,
  selected: response.headers.get("x-vsr-selected-model"),
};

const chunks = [];
const stream = await client.chat.completions.create({
  ...ask,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) chunks.push(chunk);
report.stream = {
  role: chunks[0].choices[0].delta.role,
  content: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""),
  completion_tokens: chunks.at(-1).usage.completion_tokens,
};

const runner = client.chat.completions.stream(ask);
report.helper = { content: (await runner.finalChatCompletion()).choices[0].message.content };

try {
  await client.chat.completions.create({ ...ask, model: "no-such-model" });
} catch (error) {
  report.unknown = { name: error.constructor.name, status: error.status, code: error.code };
}

const endless = await client.chat.completions.create({ ...ask, max_tokens: 3000, stream: true });
let seen = 0;
for await (const _ of endless) {
  seen += 1;
  if (seen === 3) break; // aborts the request
}
report.aborted = { seen };

report.models = (await client.models.list()).data.map((model) => model.id);
console.log(JSON.stringify(report));
