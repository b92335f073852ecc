// The calls that need a person: each carries the access token, which is renewed once when it is refused.

import { Failure, json, retried, send } from "./http.js";

/** Most entries the server gives at once. */
const LARGEST_PAGE = 200;

/** The server, for the person of a session. */
export class Api {
  #session;
  #fetch;

  constructor(session, { fetch } = {}) {
    this.#session = session;
    this.#fetch = fetch;
  }

  /** One request; the response when it is good. */
  async request(method, path, { body, key, accept, lastEventId, signal } = {}) {
    const attempt = async (spent) => {
      const token = await this.#session.token(spent);
      const headers = { authorization: `Bearer ${token}` };
      if (key !== undefined) headers["idempotency-key"] = key;
      if (accept !== undefined) headers.accept = accept;
      if (lastEventId) headers["last-event-id"] = lastEventId;
      try {
        return await send(method, path, { body, headers, signal, fetch: this.#fetch });
      } catch (error) {
        const again = error instanceof Failure && error.status === 401 && spent === null;
        if (again) return attempt(token);
        throw error;
      }
    };
    return attempt(null);
  }

  /** Conversations, newest first; `cursor` is the page before's `next_cursor`. */
  conversations({ cursor, limit = 30, signal } = {}) {
    return this.#read("/v1/conversations", { cursor, limit }, signal);
  }

  /** Messages of a conversation, in order of `seq`. */
  messages(conversation, { cursor, limit = LARGEST_PAGE, signal } = {}) {
    return this.#read(`/v1/conversations/${encodeURIComponent(conversation)}/messages`, { cursor, limit }, signal);
  }

  /** Stops the answer of a turn; what was there is stored. */
  async stop(turn) {
    await retried(() => this.request("POST", `/v1/chat/${encodeURIComponent(turn)}/cancel`));
  }

  /** Deletes a conversation; one that is already gone is as good. */
  async remove(conversation) {
    const path = `/v1/conversations/${encodeURIComponent(conversation)}`;
    try {
      await retried(() => this.request("DELETE", path));
    } catch (error) {
      if (!(error instanceof Failure) || error.status !== 404) throw error;
    }
  }

  #read(path, query, signal) {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) parameters.set(name, value);
    }
    const get = async () => json(await this.request("GET", `${path}?${parameters}`, { signal }), signal);
    return retried(get, { signal });
  }
}
