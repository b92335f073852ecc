// One conversation: what is stored of it, the turn that runs, and what a person does with both.

import { Composer } from "./composer.js";
import { announce, el, explained, failureNote } from "./dom.js";
import { newKey, pause } from "./http.js";
import { Log } from "./log.js";
import { Message, remark } from "./message.js";
import { browserStorage } from "./session.js";
import { runTurn } from "./turn.js";

/** When an answer that is written without us is looked for, in seconds after the look before. */
const LOOKS = [2, 3, 5, 10, 20, 30, 60, 60, 120, 120];

/** Failures that the same request will always meet: the person has to change the message. */
const HOPELESS = new Set(["invalid_request", "too_large", "idempotency_key_reused"]);

// The keys of accepted turns without an answer, so that a page which is loaded again can go on with them. Keys only:
// the message itself is read from the server.
const keys = browserStorage("sessionStorage");
const KEY = "chatbot.turn.";

/** `hooks`: `created(thread)` when it has got its id, `active(thread)` when a message was stored in it. */
export class Thread {
  #api;
  #hooks;
  #log = new Log();
  #composer;
  #closed = new AbortController();
  #known = new Set();
  #open = new Map();
  #unsent = new Set();
  #tail;
  #turn = null;
  #loading = false;
  #missed = false;

  constructor({ id = null, api, hooks }) {
    this.id = id;
    this.#api = api;
    this.#hooks = hooks;
    this.#composer = new Composer({ onSend: (text) => this.#send(text), onStop: () => this.#stop() });
    this.element = el("section", { class: "thread", "aria-label": "Messages" }, this.#log.element, this.#composer.element);
    if (id === null) this.#log.greeting.hidden = false;
    else this.#load();
  }

  /** Whether it must not be dropped: a turn runs, or there is a text that the server does not have. */
  get busy() {
    return this.#turn !== null || this.#unsent.size > 0 || this.#composer.text.trim() !== "";
  }

  /** Called when it has come onto the page. */
  shown({ focus = true } = {}) {
    this.#composer.fit();
    this.#log.restore();
    if (focus) this.#composer.focus();
  }

  /** Reads what others (another tab, a turn that went on without us) have stored meanwhile. */
  async refresh() {
    if (this.id === null || this.#turn !== null || this.#closed.signal.aborted) return;
    await this.#read().catch(() => {});
  }

  /** A message was stored in it, here or elsewhere. */
  told(message) {
    if (this.#closed.signal.aborted || this.#known.has(message.id)) return;
    if (this.#loading || this.#turn !== null) {
      // What runs tells of its own messages itself; others are read when it has ended.
      this.#missed ||= this.#turn?.accepted?.turn_id !== message.turn_id;
      return;
    }
    this.#known.add(message.id);
    this.#store(message);
  }

  /** Ends everything; the turn goes on at the server. */
  close() {
    this.#closed.abort();
    this.#turn?.abort.abort();
  }

  async #load() {
    this.#log.notice.replaceChildren(el("p", { class: "loading" }, "Loading…"));
    this.#loading = true;
    try {
      await this.#read(true);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      const failure = explained(error);
      const gone = failure.code === "not_found";
      this.#log.notice.replaceChildren(failureNote(failure, gone ? null : () => this.#load()));
      return;
    }
    this.#log.notice.replaceChildren();
    this.#loading = false;
    this.#catchUp();
  }

  #catchUp() {
    if (!this.#missed) return;
    this.#missed = false;
    this.refresh();
  }

  // Pages come oldest first, and only a page tells the next one's cursor; the last page is read again for what is new.
  async #read(first = false) {
    const { signal } = this.#closed;
    const messages = [];
    let cursor = this.#tail;
    for (;;) {
      const page = await this.#api.messages(this.id, { cursor, signal });
      messages.push(...page.data);
      if (!page.next_cursor) break;
      cursor = page.next_cursor;
    }
    // A turn that began meanwhile tells of its messages itself.
    if (!first && this.#turn !== null) return;
    this.#tail = cursor;
    const fresh = messages.filter((message) => !this.#known.has(message.id));
    for (const message of fresh) this.#known.add(message.id);
    if (first) this.#log.fill(fresh.map((message) => () => this.#entry(message)));
    else for (const message of fresh) this.#store(message);
    const last = messages.at(-1);
    if (last?.role === "user" && this.#turn === null && !this.#open.has(last.turn_id)) this.#unanswered(last);
  }

  #entry(message) {
    const view = new Message(message.role);
    view.show(message.content);
    return { order: message.seq, view, element: view.element };
  }

  #add(role, order = Infinity) {
    const view = new Message(role);
    const entry = { order, view, element: view.element };
    this.#log.place(entry);
    return entry;
  }

  /** A message that was stored without this page seeing its turn end. */
  #store(message) {
    const answered = message.role === "assistant" ? this.#open.get(message.turn_id) : undefined;
    // One that was stopped or failed before this page heard that it had arrived.
    const arrived = [...this.#unsent].find((turn) => message.role === "user" && turn.request.message === message.content);
    if (answered) {
      this.#settle(answered, message);
      this.#tell(answered);
    } else if (arrived) {
      this.#accepted(arrived, message);
      this.#expect(arrived, "This message has arrived, and its answer may be on its way.");
    } else {
      this.#log.place(this.#entry(message));
    }
  }

  #tell(turn) {
    if (this.element.isConnected) announce(`Assistant: ${turn.answer.view.body.textContent}`);
  }

  #send(text) {
    const request = { message: text, ...(this.id === null ? {} : { conversation_id: this.id }) };
    const turn = { request, key: newKey(), question: this.#add("user"), answer: this.#add("assistant"), accepted: null };
    turn.question.view.show(text);
    this.#unsent.add(turn);
    this.#log.greeting.hidden = true;
    this.#log.toEnd();
    this.#run(turn);
  }

  /** Follows a turn to its end; with `watch` it only looks, and asks no model again. */
  async #run(turn, { watch = false } = {}) {
    const { view } = turn.answer;
    turn.abort = new AbortController();
    this.#turn = turn;
    this.#composer.busy = true;
    view.begin();
    const on = {
      accepted: (message) => {
        view.note();
        this.#accepted(turn, message);
      },
      text: (text) => view.grow(text),
      retry: (failure) => view.note(remark(failure.code === "network" ? "The connection was lost. Trying again…" : `${failure.message} Trying again…`)),
    };
    try {
      // An accepted one goes on where its answer is, from the start: what this page has of it may be old.
      const from = turn.accepted ? { turn: turn.accepted.turn_id } : null;
      const { request } = turn;
      const key = watch ? undefined : turn.key;
      const done = await runTurn(this.#api, { request, key, from, signal: turn.abort.signal, on });
      view.end();
      this.#known.add(done.answer.id);
      this.#settle(turn, done.answer, done.finish_reason);
      this.#tell(turn);
    } catch (error) {
      view.end();
      if (turn.abort.signal.aborted) this.#stopped(turn);
      else if (error.code === "interrupted") this.#expect(turn, "This message has no answer yet. One may be on its way.");
      else if (error.code === "superseded") this.#expect(turn, "This message is being answered elsewhere, in another tab for example.");
      else this.#failed(turn, explained(error));
    } finally {
      this.#turn = null;
      this.#composer.busy = false;
      this.#catchUp();
    }
  }

  /** Stops the answer at the server, and then it ends by itself. Before the message has arrived there is nothing to stop. */
  async #stop() {
    const turn = this.#turn;
    if (!turn?.accepted) {
      turn?.abort.abort();
      return;
    }
    try {
      await this.#api.stop(turn.accepted.turn_id);
    } catch {
      // The server cannot be told, and the person wants no more of it.
      turn.abort.abort();
    }
  }

  #accepted(turn, message) {
    if (turn.accepted?.id === message.id) return;
    turn.accepted = message;
    this.#unsent.delete(turn);
    turn.question.order = message.seq;
    turn.answer.order = message.seq + 0.5;
    this.#known.add(message.id);
    this.#open.set(message.turn_id, turn);
    this.#log.place(turn.question);
    this.#log.place(turn.answer);
    keys.setItem(KEY + message.turn_id, JSON.stringify({ key: turn.key, fresh: turn.request.conversation_id === undefined }));
    if (this.id === null) {
      this.id = message.conversation_id;
      this.#hooks.created(this);
    }
    this.#hooks.active(this);
  }

  #settle(turn, answer, reason = "stop") {
    turn.looking?.abort();
    this.#open.delete(answer.turn_id);
    keys.removeItem(KEY + answer.turn_id);
    turn.answer.order = answer.seq;
    turn.answer.view.show(answer.content);
    this.#log.place(turn.answer);
    const remarks = { length: "The answer reached its greatest length.", content_filter: "The model's filter ended this answer.", cancelled: "You stopped this answer." };
    turn.answer.view.note(...(reason in remarks ? [remark(remarks[reason])] : []));
    this.#hooks.active(this);
  }

  #stopped(turn) {
    if (this.#closed.signal.aborted) return;
    if (turn.accepted) {
      this.#expect(turn, "Stopped here. The server could not be told, and may still finish and store this answer.");
      announce("Stopped.");
      return;
    }
    // Whether the message arrived is not known; the key makes either answer right.
    turn.answer.view.note(remark("Stopped before the server had confirmed the message.", ["Send it again", () => this.#again(turn)]));
  }

  #failed(turn, failure) {
    const { view } = turn.answer;
    if (!turn.accepted && HOPELESS.has(failure.code)) {
      const edit = () => {
        this.#unsent.delete(turn);
        this.#log.remove(turn.question);
        this.#log.remove(turn.answer);
        this.#composer.text = turn.request.message;
        this.#composer.box.focus();
      };
      view.note(failureNote(failure, edit, "Edit the message"));
    } else {
      view.note(failureNote(failure, () => this.#again(turn)));
    }
  }

  #again(turn) {
    if (this.#turn !== null) return;
    turn.looking?.abort();
    this.#log.toEnd();
    this.#run(turn);
    this.#composer.focus();
  }

  /** The last message has no answer: it is written at this moment, or its turn has failed. */
  #unanswered(message) {
    const kept = JSON.parse(keys.getItem(KEY + message.turn_id));
    const question = this.#log.find(message.seq);
    const turn = { accepted: message, key: kept?.key ?? undefined, question, answer: this.#add("assistant", message.seq + 0.5) };
    // The same request, or the server takes the key for misused: the first message had no conversation yet.
    turn.request = { message: message.content, ...(kept?.fresh ? {} : { conversation_id: this.id }) };
    this.#open.set(message.turn_id, turn);
    this.#run(turn, { watch: true });
  }

  /** Looks now and then whether an answer was stored, and lets the person look, or ask again. */
  async #expect(turn, text) {
    turn.looking?.abort();
    turn.looking = new AbortController();
    const { signal } = turn.looking;
    const look = async () => {
      try {
        await this.#read();
        if (this.#open.has(turn.accepted.turn_id) && this.#turn === null) announce("The answer is not stored yet.");
      } catch (error) {
        if (!this.#closed.signal.aborted) turn.answer.view.note(failureNote(explained(error), look));
      }
    };
    const buttons = [["Look now", look]];
    if (turn.key) buttons.push(["Ask again", () => this.#again(turn)]);
    turn.answer.view.note(remark(text, ...buttons));
    try {
      for (const seconds of LOOKS) {
        await pause(seconds * 1000, AbortSignal.any([signal, this.#closed.signal]));
        if (!document.hidden && this.element.isConnected) await this.refresh();
      }
    } catch {
      // Ended: it was found, asked again, or the conversation was left.
    }
  }
}
