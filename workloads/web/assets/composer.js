// The text box: it grows with its text, Enter sends, and while an answer comes the button stops it.

import { el, iconButton } from "./dom.js";

/** Most characters the server takes in a message. */
const LONGEST = 32_000;
/** From here on the rest is counted down. */
const COUNTED = 30_000;

/** Calls `onSend(text)` and `onStop()`. */
export class Composer {
  #busy = false;
  #onSend;

  constructor({ onSend, onStop }) {
    this.#onSend = onSend;
    this.box = el("textarea", {
      rows: "1",
      "aria-label": "Message",
      placeholder: "Write a message",
      enterkeyhint: "send",
      oninput: () => this.#changed(),
      onkeydown: (event) => this.#key(event),
    });
    this.send = iconButton("send", "Send", { type: "submit", class: "icon-button round" });
    this.stop = iconButton("stop", "Stop", { class: "icon-button round stop", hidden: true, onclick: onStop });
    this.rest = el("p", { class: "rest", role: "status" });
    const form = el("form", { onsubmit: (event) => this.#submit(event) }, this.box, this.send, this.stop);
    this.element = el("div", { class: "composer" }, form, this.rest);
    this.#changed();
  }

  /** While an answer comes, nothing is sent; what is written stays. */
  set busy(busy) {
    const focused = document.activeElement;
    this.#busy = busy;
    this.send.hidden = busy;
    this.stop.hidden = !busy;
    // The button that had the focus is gone; on a phone the box would bring up the keyboard.
    if (focused === this.stop && !busy) this.box.focus();
    if (focused === this.send && busy) this.stop.focus();
    this.#changed();
  }

  get text() {
    return this.box.value;
  }

  set text(text) {
    this.box.value = text;
    this.#changed();
  }

  /** Gives the box the focus, unless that would cover half a phone with a keyboard. */
  focus() {
    if (matchMedia("(hover: hover)").matches) this.box.focus({ preventScroll: true });
  }

  /** Fits the box to its text; it cannot be measured while it is not on the page. */
  fit() {
    this.box.style.height = "auto";
    if (this.box.scrollHeight > 0) this.box.style.height = `${this.box.scrollHeight}px`;
  }

  #changed() {
    this.fit();
    const length = this.box.value.length < COUNTED ? 0 : [...this.box.value].length;
    this.rest.textContent = length > LONGEST ? `${length - LONGEST} characters too many` : length > COUNTED ? `${LONGEST - length} characters left` : "";
    this.rest.classList.toggle("over", length > LONGEST);
    this.send.disabled = this.box.value.trim() === "" || length > LONGEST;
  }

  #key(event) {
    // While an input method composes a word, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit(event);
  }

  #submit(event) {
    event.preventDefault();
    if (this.#busy || this.send.disabled) return;
    const text = this.box.value.trim();
    this.text = "";
    this.#onSend(text);
  }
}
