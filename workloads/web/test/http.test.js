// Requests, sessions, event streams and turns, against a server that is a function.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Api } from "../assets/api.js";
import { Failure, backoff, newKey, retried, send, sentence } from "../assets/http.js";
import { Session } from "../assets/session.js";
import { SseParser } from "../assets/sse.js";
import { runTurn } from "../assets/turn.js";

const at_once = () => Promise.resolve();
const reply = (status, body, headers) => new Response(body === null ? null : JSON.stringify(body), { status, headers });
const error = (status, code, message = "no") => reply(status, { error: { message, type: "x", code } });

function memory(start = {}) {
  const values = new Map(Object.entries(start));
  return {
    values,
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => values.set(key, value),
    removeItem: (key) => values.delete(key),
  };
}

function tokens(number) {
  return { access_token: `a${number}`, token_type: "Bearer", expires_in: 900, refresh_token: `r${number}`, user: { id: "u" } };
}

function stream(...pieces) {
  const bytes = new TextEncoder();
  return new Response(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(bytes.encode(piece));
        controller.close();
      },
    }),
  );
}

const said = (event, data) => `event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`;
const DONE = said("done", { turn: { answer: { content: "Hello" } } });

test("events are the same however their bytes are cut", () => {
  const whole = ": alive\r\n\r\nevent: delta\r\ndata: {\"content\":\"ä\"}\r\n\r\nevent:done\ndata:a\ndata: b\n\nid: 1\n\ndata: x\r\rdata: cut off";
  const expected = [
    { event: "delta", data: '{"content":"ä"}', id: "" },
    { event: "done", data: "a\nb", id: "" },
    { event: "message", data: "x", id: "1" },
  ];
  for (let first = 0; first <= whole.length; first += 1) {
    const parser = new SseParser();
    const found = [...parser.push(whole.slice(0, first)), ...parser.push(whole.slice(first))];
    assert.deepEqual(found, expected, `cut at ${first}`);
  }
  const parser = new SseParser();
  assert.deepEqual([...whole].flatMap((letter) => parser.push(letter)), expected);
});

test("a key is a UUID, with and without randomUUID", () => {
  const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(newKey(), form);
  assert.match(newKey({ getRandomValues: (bytes) => bytes.fill(255) }), form);
});

test("what the server says becomes a sentence", () => {
  assert.equal(sentence("the password is too short"), "The password is too short.");
  assert.equal(sentence("Really?"), "Really?");
  assert.equal(sentence(""), "Something went wrong.");
});

test("a load balancer's page is a failure that passes", async () => {
  const fetch = async () => new Response("<html>502</html>", { status: 502 });
  await assert.rejects(send("GET", "/v1/me", { fetch }), (failure) => failure.transient && failure.status === 502);
});

test("retries are bounded, and only for what passes", async () => {
  let calls = 0;
  const lost = async () => {
    calls += 1;
    throw new Failure("x", { transient: true });
  };
  await assert.rejects(retried(lost, { attempts: 4, wait: at_once }));
  assert.equal(calls, 4);
  calls = 0;
  const wrong = async () => {
    calls += 1;
    throw new Failure("x", { code: "invalid_request", status: 400 });
  };
  await assert.rejects(retried(wrong, { attempts: 4, wait: at_once }));
  assert.equal(calls, 1);
  assert.ok(backoff(1, () => 0) < backoff(2, () => 0) && backoff(50, () => 1) <= 10_000);
});

test("many requests with a spent token renew it once", async () => {
  let issued = 1;
  let refreshes = 0;
  const fetch = async (path, init) => {
    if (path === "/v1/auth/refresh") {
      refreshes += 1;
      issued += 1;
      return reply(200, tokens(issued));
    }
    const good = init.headers.authorization === `Bearer a${issued}`;
    return good ? reply(200, { data: [] }) : error(401, "unauthenticated");
  };
  const session = new Session({ fetch, storage: memory({ "chatbot.session": JSON.stringify({ token: "r0", user: "u" }) }), locks: null });
  const api = new Api(session, { fetch });
  await Promise.all([api.conversations(), api.conversations(), api.messages("c")]);
  assert.equal(refreshes, 1);
  issued += 1;
  await Promise.all([api.conversations(), api.conversations()]);
  assert.equal(refreshes, 2);
});

test("a refused refresh ends the session, unless another tab has a newer token", async () => {
  const storage = memory({ "chatbot.session": JSON.stringify({ token: "old", user: "u" }) });
  const fetch = async (path, init) => {
    const sent = JSON.parse(init.body).refresh_token;
    if (sent === "new") return reply(200, tokens(5));
    if (sent === "old") storage.setItem("chatbot.session", JSON.stringify({ token: "new", user: "u" }));
    return error(401, "unauthenticated");
  };
  const session = new Session({ fetch, storage, locks: null });
  assert.equal(await session.token(), "a5");
  let ended = 0;
  session.addEventListener("ended", () => (ended += 1));
  await assert.rejects(session.token("a5"), (failure) => failure.status === 401);
  assert.deepEqual([ended, session.stored, session.user], [1, false, null]);
});

test("a session survives a server that cannot be reached", async () => {
  const storage = memory({ "chatbot.session": JSON.stringify({ token: "r1", user: "u" }) });
  const fetch = async () => error(500, "internal");
  const session = new Session({ fetch, storage, locks: null });
  await assert.rejects(session.token(), (failure) => failure.status === 500);
  assert.equal(session.stored, true);
});

/** Runs a turn against replies in order; gives what was sent and seen. */
async function turn(replies, more = { key: "k" }) {
  const sent = [];
  const seen = [];
  const api = {
    async request(_, path, options) {
      sent.push({ path, key: options.key, body: options.body, ...(options.lastEventId && { last: options.lastEventId }) });
      const next = replies.shift();
      if (next instanceof Error) throw next;
      return next;
    },
  };
  const on = {
    accepted: (message) => seen.push(`accepted ${message.seq}`),
    text: (text) => seen.push(text),
    retry: () => seen.push("retry"),
  };
  const outcome = await runTurn(api, { request: { message: "hi" }, ...more, on, wait: at_once }).catch((failure) => failure);
  return { sent, seen, outcome };
}

test("an answer is put together from its pieces", async () => {
  const { sent, seen, outcome } = await turn([
    stream(said("accepted", { message: { seq: 1 } }), said("delta", { content: "Hel" }), said("delta", { content: "lo" }), DONE),
  ]);
  assert.deepEqual(sent, [{ path: "/v1/chat", key: "k", body: { message: "hi", stream: true } }]);
  assert.deepEqual(seen, ["accepted 1", "Hel", "Hello"]);
  assert.equal(outcome.answer.content, "Hello");
});

test("a restarted answer forgets its pieces", async () => {
  const { seen } = await turn([stream(said("delta", { content: "Old" }), said("restarted", {}), said("delta", { content: "New" }), DONE)]);
  assert.deepEqual(seen, ["Old", "", "New"]);
});

test("a dropped connection is tried again with the same key", async () => {
  const { sent, seen, outcome } = await turn([
    stream(said("delta", { content: "Hel" })),
    new Failure("x", { transient: true }),
    stream(said("error", { error: { message: "restarting", code: "unavailable" } })),
    stream(said("delta", { content: "Hello" }), DONE),
  ]);
  assert.deepEqual(new Set(sent.map(({ key }) => key)), new Set(["k"]));
  assert.deepEqual(seen, ["Hel", "retry", "retry", "retry", "Hello"]);
  assert.equal(outcome.answer.content, "Hello");
});

test("a lost stream goes on after the last event", async () => {
  const { sent, seen, outcome } = await turn([
    stream(`id: 1-1\n${said("accepted", { message: { seq: 1, turn_id: "t" } })}`, `id: 1-2\n${said("delta", { content: "Hel" })}`),
    stream(`id: 1-3\n${said("delta", { content: "lo" })}`, DONE),
  ]);
  assert.deepEqual(sent[1], { path: "/v1/chat/t/events", key: undefined, body: undefined, last: "1-2" });
  assert.deepEqual(seen, ["accepted 1", "Hel", "retry", "Hello"]);
  assert.equal(outcome.answer.content, "Hello");
});

test("an answer that nobody makes any more is asked for again, where the key is known", async () => {
  const interrupted = () => stream(said("error", { error: { message: "nobody", code: "interrupted" } }));
  const known = await turn([interrupted(), stream(said("delta", { content: "Hello" }), DONE)], { key: "k", from: { turn: "t" } });
  assert.deepEqual(known.sent.map(({ path }) => path), ["/v1/chat/t/events", "/v1/chat"]);
  assert.equal(known.outcome.answer.content, "Hello");
  const unknown = await turn([interrupted()], { from: { turn: "t" } });
  assert.equal(unknown.outcome.code, "interrupted");
});

test("a failure of the model is told, not tried again", async () => {
  const { sent, outcome } = await turn([stream(said("error", { error: { message: "the model failed", code: "model_failed" } }))]);
  assert.equal(sent.length, 1);
  assert.deepEqual([outcome.code, outcome.message], ["model_failed", "The model failed."]);
});
