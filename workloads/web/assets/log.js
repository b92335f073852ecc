// The messages of a conversation in their order, as a place that scrolls.

import { el, iconButton } from "./dom.js";

/** Messages shown at first, and with each look further back. */
const WINDOW = 60;
/** Nearer than this to the end counts as being there, in pixels. */
const NEAR = 60;

/** Keeps entries `{order, element}` sorted, shows the newest ones, and stays at the end while it is there. */
export class Log {
  #entries = [];
  #hidden = [];
  #stuck = true;
  #top = 0;

  constructor() {
    this.greeting = el("p", { class: "greeting" }, "What would you like to talk about?");
    this.greeting.hidden = true;
    this.older = el("button", { type: "button", class: "quiet older", onclick: () => this.#showOlder() });
    this.older.hidden = true;
    this.notice = el("div", { class: "log-notice" });
    this.messages = el("div", { class: "messages" });
    this.inner = el("div", { class: "inner" }, this.older, this.notice, this.greeting, this.messages);
    this.scroller = el("div", { class: "scroller", onscroll: () => this.#scrolled() }, this.inner);
    this.jump = iconButton("down", "To the newest message", { class: "icon-button round jump", hidden: true });
    this.jump.addEventListener("click", () => this.toEnd());
    this.element = el("div", { class: "log" }, this.scroller, this.jump);
    // Whatever makes the content grow, a reader at the end stays there, and one further up is left alone.
    const resized = new ResizeObserver(() => {
      if (this.#stuck) this.#down();
      else this.#scrolled();
    });
    resized.observe(this.inner);
    resized.observe(this.scroller);
  }

  /** Adds an entry, or moves it to where its order is now. */
  place(entry) {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
    let index = this.#entries.length;
    while (index > 0 && this.#entries[index - 1].order > entry.order) index -= 1;
    const after = this.#entries[index]?.element ?? null;
    this.#entries.splice(index, 0, entry);
    // An element that is where it belongs is not touched: moving it would lose focus and selection.
    if (entry.element.parentNode !== this.messages || entry.element.nextSibling !== after) {
      this.messages.insertBefore(entry.element, after);
    }
  }

  /** The entry at this place, if it is shown. */
  find(order) {
    return this.#entries.find((entry) => entry.order === order);
  }

  /** Takes an entry away. */
  remove(entry) {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
    entry.element.remove();
  }

  /** Puts many entries, in order, before all others; the older ones are made (`make()`) when they are wanted. */
  fill(makers) {
    this.#hidden.push(...makers);
    this.#reveal();
  }

  /** Goes to the end and stays there. */
  toEnd() {
    this.#stuck = true;
    this.#down();
  }

  /** Called when it comes back to the page, which forgets how far things were scrolled. */
  restore() {
    if (this.#stuck) this.#down();
    else this.scroller.scrollTop = this.#top;
  }

  #reveal() {
    for (const make of this.#hidden.splice(-WINDOW)) this.place(make());
    const count = this.#hidden.length;
    this.older.hidden = count === 0;
    this.older.textContent = `Show older messages (${count})`;
  }

  #showOlder() {
    // What was at the top of the window stays where it is on the screen.
    const before = this.scroller.scrollHeight - this.scroller.scrollTop;
    const first = this.#entries[0];
    this.#stuck = false;
    this.#reveal();
    this.scroller.scrollTop = this.scroller.scrollHeight - before;
    if (this.older.hidden) {
      first.element.setAttribute("tabindex", "-1");
      first.element.focus({ preventScroll: true });
    }
  }

  #scrolled() {
    if (!this.element.isConnected || this.scroller.clientHeight === 0) return;
    this.#top = this.scroller.scrollTop;
    const left = this.scroller.scrollHeight - this.#top - this.scroller.clientHeight;
    this.#stuck = left < NEAR;
    this.jump.hidden = left < 2 * NEAR;
  }

  #down() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.jump.hidden = true;
  }
}
