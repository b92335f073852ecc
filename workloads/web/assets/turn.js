// One turn: a message and its streamed answer, over as many connections as it takes.

import { disconnected, refused, retried } from "./http.js";
import { events } from "./sse.js";

/** Connections that a turn may use up. */
const ATTEMPTS = 6;

/**
 * Sends a message and follows its answer to the end; gives the stored turn.
 *
 * A connection that is lost goes on after the last event that was seen. Where nobody makes the answer any more, and
 * before the message was accepted, the same request is sent again with the same idempotency key: the message is stored
 * once whatever is lost on the way, and the pieces so far are forgotten. With `from`, `{turn, last}`, it goes on with a
 * turn that was begun before; without a `key` that is all it can do.
 *
 * `on` has `accepted(message)`, `text(whole)` with all of the answer so far, and `retry(failure, attempt)`.
 */
export function runTurn(api, { request, key, from = null, signal, on, wait, attempts = ATTEMPTS, idle }) {
  let at = from;
  let text = "";
  const grow = (whole) => {
    if (text === whole) return;
    text = whole;
    on.text(text);
  };
  const open = () => {
    // Without a last event all of them come.
    if (!at?.last) text = "";
    const accept = "text/event-stream";
    if (at === null) return api.request("POST", "/v1/chat", { body: { ...request, stream: true }, key, accept, signal });
    return api.request("GET", `/v1/chat/${encodeURIComponent(at.turn)}/events`, { accept, lastEventId: at.last, signal });
  };
  const read = async () => {
    const response = await open();
    for await (const { event, data, id } of events(response.body, { signal, idle })) {
      const said = JSON.parse(data);
      if (id !== "" && event === "accepted") at = { turn: said.message.turn_id };
      if (id !== "" && at !== null) at.last = id;
      switch (event) {
        case "accepted":
          grow("");
          on.accepted(said.message);
          break;
        case "delta":
          grow(text + said.content);
          break;
        case "restarted":
          grow("");
          break;
        case "done":
          return said.turn;
        case "error":
          throw refused(said.error);
        // A newer server may say more; what this page does not know it does not need.
        default:
      }
    }
    throw disconnected();
  };
  const attempt = async () => {
    try {
      return await read();
    } catch (error) {
      if (error.code !== "interrupted" || at === null || key === undefined) throw error;
      at = null;
      return await read();
    }
  };
  return retried(attempt, { attempts, signal, wait, onRetry: on.retry });
}
