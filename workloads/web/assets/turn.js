// One turn: a message and its streamed answer, over as many connections as it takes.

import { disconnected, refused, retried } from "./http.js";
import { events } from "./sse.js";

/** Connections that a turn may use up. */
const ATTEMPTS = 6;

/**
 * Sends a message and follows its answer to the end; gives the stored turn.
 *
 * Every attempt has the same idempotency key, so the message is stored once whatever is lost on the way; an answer that
 * was already stored comes back at once, one that was not is begun again, and the pieces so far are forgotten.
 *
 * `on` has `accepted(message)`, `text(whole)` with all of the answer so far, and `retry(failure, attempt)`.
 */
export function runTurn(api, { request, key, signal, on, wait, attempts = ATTEMPTS, idle }) {
  const attempt = async () => {
    const response = await api.request("POST", "/v1/chat", {
      body: { ...request, stream: true },
      key,
      accept: "text/event-stream",
      signal,
    });
    let text = "";
    for await (const { event, data } of events(response.body, { signal, idle })) {
      const said = JSON.parse(data);
      switch (event) {
        case "accepted":
          on.accepted(said.message);
          break;
        case "delta":
          text += said.content;
          on.text(text);
          break;
        case "restarted":
          text = "";
          on.text(text);
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
  return retried(attempt, { attempts, signal, wait, onRetry: on.retry });
}
