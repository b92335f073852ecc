// What is new of the person, without asking: a WebSocket on which the server tells it. Without events (a system that has
// no Kafka) the socket stays silent, and the page reads again when it is looked at.

import { backoff, pause } from "./http.js";

const PROTOCOL = "chatbot.v1";

/** Code with which the server closes when it does not take the token. */
const UNAUTHENTICATED = 4401;

/** `on`: `message(message)`, `deleted(conversation id)`, `missed()` when events may have been missed. */
export class Live {
  #session;
  #on;
  #closed = new AbortController();
  #socket;
  #wait;

  constructor({ session, on, socket = (url, protocols) => new WebSocket(url, protocols), wait = pause }) {
    this.#session = session;
    this.#on = on;
    this.#socket = socket;
    this.#wait = wait;
    // It throws only when it was closed while it waited.
    this.#run().catch(() => {});
  }

  /** Ends it. */
  close() {
    this.#closed.abort();
  }

  async #run() {
    const { signal } = this.#closed;
    let spent = null;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        const token = await this.#session.token(spent);
        const { code, opened } = await this.#connect(token);
        spent = code === UNAUTHENTICATED ? token : null;
        if (opened) attempt = 1;
      } catch (error) {
        // The session has ended, and says so to the person itself.
        if (error.status === 401) return;
        spent = null;
      }
      await this.#wait(backoff(attempt), signal);
    }
  }

  /** Listens until the connection ends; says how it did. */
  #connect(token) {
    const { signal } = this.#closed;
    return new Promise((resolve) => {
      const url = new URL("/v1/ws", globalThis.location?.href ?? "http://localhost");
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const socket = this.#socket(url.href, [PROTOCOL, `bearer.${token}`]);
      let opened = false;
      const end = () => socket.close();
      signal.addEventListener("abort", end, { once: true });
      socket.onopen = () => {
        opened = true;
        // What happened before the connection was there.
        this.#on.missed();
      };
      socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
      socket.onclose = ({ code }) => {
        signal.removeEventListener("abort", end);
        resolve({ code, opened });
      };
    });
  }

  #hear(frame) {
    if (this.#closed.signal.aborted) return;
    if (frame.type === "message.created") this.#on.message(frame.message);
    if (frame.type === "conversation.deleted") this.#on.deleted(frame.conversation_id);
    if (frame.type === "resync") this.#on.missed();
  }
}
