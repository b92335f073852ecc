// What the server tells without being asked, over a socket that is an object.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Live } from "../assets/live.js";

/** A `Live` whose sockets and news are kept. */
function live({ token = async () => "t" } = {}) {
  const sockets = [];
  const news = [];
  const spent = [];
  const made = [];
  const socket = (url, protocols) => {
    const one = { url, protocols, close: () => one.onclose({ code: 1005 }) };
    sockets.push(one);
    made.shift()?.(one);
    return one;
  };
  const next = () => new Promise((resolve) => made.push(resolve));
  const session = {
    token: (refused) => {
      spent.push(refused);
      return token();
    },
  };
  const on = { message: (message) => news.push(message.id), deleted: (id) => news.push(`-${id}`), missed: () => news.push("missed") };
  const first = next();
  const one = new Live({ session, on, socket, wait: () => Promise.resolve() });
  return { one, first, next, sockets, news, spent };
}

const say = (socket, frame) => socket.onmessage({ data: JSON.stringify(frame) });

test("what is told is passed on, and frames of turns are not", async () => {
  const { one, first, news } = live();
  const socket = await first;
  assert.deepEqual(socket.protocols, ["chatbot.v1", "bearer.t"]);
  assert.match(socket.url, /^ws:.*\/v1\/ws$/);
  socket.onopen();
  say(socket, { type: "authenticated", user_id: "u" });
  say(socket, { type: "message.created", event_id: "e", message: { id: "m" } });
  say(socket, { type: "conversation.deleted", event_id: "f", conversation_id: "c" });
  say(socket, { type: "resync" });
  assert.deepEqual(news, ["missed", "m", "-c", "missed"]);
  one.close();
  say(socket, { type: "resync" });
  assert.equal(news.length, 4);
});

test("a connection that ends is made again, with a new token where the old one was refused", async () => {
  const { one, first, next, news, spent } = live();
  let following = next();
  const socket = await first;
  socket.onopen();
  socket.onclose({ code: 1001 });
  const second = await following;
  following = next();
  second.onopen();
  second.onclose({ code: 4401 });
  await following;
  assert.deepEqual(news, ["missed", "missed"]);
  assert.deepEqual(spent, [null, null, "t"]);
  one.close();
});

test("a session that has ended is not asked again", async () => {
  const failure = Object.assign(new Error("ended"), { status: 401 });
  const { sockets, spent } = live({ token: () => Promise.reject(failure) });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([sockets.length, spent.length], [0, 1]);
});
