// Server-sent events from a byte stream (WHATWG HTML section 9.2); EventSource can neither POST nor send a token.

import { disconnected } from "./http.js";

/** Takes pieces of text as they come, and gives the events that are complete. */
export class SseParser {
  #rest = "";
  #event = "";
  #data = [];
  #id = "";

  /** Events that `text` completes, each `{event, data, id}`; `id` is the last one that was told, and may be empty. */
  push(text) {
    const events = [];
    if (!/[\r\n]/.test(text) && !this.#rest.endsWith("\r")) {
      // A piece of a long line: looking through all of it again each time would cost the square of its length.
      this.#rest += text;
      return events;
    }
    const whole = this.#rest + text;
    let start = 0;
    for (;;) {
      const end = lineEnd(whole, start);
      if (end === null) break;
      this.#line(whole.slice(start, end.at), events);
      start = end.next;
    }
    this.#rest = whole.slice(start);
    return events;
  }

  #line(line, events) {
    if (line === "") {
      if (this.#data.length > 0) events.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
      this.#event = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    // A line that begins with a colon is a comment: the server's sign of life.
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    if (field === "id") this.#id = value;
  }
}

function lineEnd(text, from) {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === "\n") return { at, next: at + 1 };
    if (text[at] === "\r") {
      // The line feed of this pair may still be on its way.
      if (at + 1 === text.length) return null;
      return { at, next: text[at + 1] === "\n" ? at + 2 : at + 1 };
    }
  }
  return null;
}

/**
 * Events of a body. A stream on which nothing comes for `idle` milliseconds, not even the server's sign of life, is a
 * lost connection: a phone that changed its network would wait for ever.
 */
export async function* events(body, { signal, idle = 60_000 } = {}) {
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), idle, signal);
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Whoever stops reading wants the connection closed.
    reader.cancel().catch(() => {});
  }
}

async function within(read, milliseconds, signal) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(disconnected()), milliseconds);
  });
  try {
    return await Promise.race([read, silence]);
  } catch (error) {
    throw signal?.aborted ? signal.reason : disconnected();
  } finally {
    clearTimeout(timer);
  }
}
