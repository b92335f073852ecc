// How one message looks, stored or still being written.

import { el } from "./dom.js";
import { Rendering } from "./render.js";

/** Least time between two paintings of a growing answer, in milliseconds. */
const PACE = 60;

/** The view of one message. A person's is shown as it was typed; an answer is Markdown. */
export class Message {
  #rendering;
  #next = null;
  #timer = null;

  constructor(role) {
    this.role = role;
    this.body = el("div", { class: "body" });
    this.notes = el("div", { class: "notes" });
    this.dots = el("div", { class: "dots", "aria-hidden": "true", hidden: true }, el("i"), el("i"), el("i"));
    const label = role === "user" ? "You" : "Assistant";
    this.element = el("article", { class: `message ${role}`, "aria-label": label }, this.body, this.dots, this.notes);
    this.#rendering = role === "user" ? null : new Rendering(this.body);
  }

  /** Shows a whole text. */
  show(text) {
    this.#cancel();
    this.text = text;
    if (this.#rendering) this.#rendering.update(text);
    else this.body.textContent = text;
  }

  /** An answer begins to be written. */
  begin() {
    this.element.setAttribute("aria-busy", "true");
    this.element.classList.add("streaming");
    this.dots.hidden = this.text !== undefined && this.text !== "";
    this.note();
  }

  /** Shows more of a growing answer, soon: not each token is worth a painting. */
  grow(text) {
    this.#next = text;
    this.#timer ??= setTimeout(() => {
      const next = this.#next;
      this.show(next);
      this.dots.hidden = next !== "";
    }, PACE);
  }

  /** Nothing more is written here, for now; shows what has come. */
  end() {
    if (this.#next !== null) this.show(this.#next);
    this.element.removeAttribute("aria-busy");
    this.element.classList.remove("streaming");
    this.dots.hidden = true;
  }

  /** Puts something below the text in place of what was there. */
  note(...nodes) {
    this.notes.replaceChildren(...nodes);
  }

  #cancel() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#next = null;
  }
}

/** A remark below a message, with buttons given as `[label, action]`. */
export function remark(text, ...buttons) {
  const made = buttons.map(([label, onclick]) => el("button", { type: "button", class: "quiet", onclick }, label));
  return el("div", { class: "remark" }, el("p", {}, text), ...made);
}
