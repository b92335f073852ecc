// The list of conversations, newest first.

import { announce, el, explained, failureNote, iconButton } from "./dom.js";

/** `onDelete(conversation)` is asked when the person wants one gone. */
export class Sidebar {
  #api;
  #onDelete;
  #conversations = new Map();
  #rows = new Map();
  /** Where the list goes on: undefined before it was read, null at its end. */
  #cursor = undefined;
  #current = null;
  #loading = null;

  constructor(element, { api, onDelete }) {
    this.#api = api;
    this.#onDelete = onDelete;
    this.list = el("ul");
    this.status = el("div", { class: "list-status" });
    element.replaceChildren(this.list, this.status);
  }

  /** Reads the first page; what it says replaces what was known of it. */
  refresh() {
    return this.#load(undefined);
  }

  /** The title of a conversation, if it is in the list. */
  title(id) {
    return this.#conversations.get(id)?.title;
  }

  /** A message was stored in it: it is the newest now. One that is new here is read from the server. */
  async touch(id) {
    const known = this.#conversations.get(id);
    if (!known) {
      await this.refresh();
      return;
    }
    known.updated_at = new Date().toISOString();
    this.#show();
  }

  remove(id) {
    this.#conversations.delete(id);
    this.#show();
    if (this.#conversations.size === 0) this.refresh();
  }

  /** Marks the one that is open, if any. */
  mark(id) {
    this.#current = id;
    for (const [key, { link }] of this.#rows) {
      if (key === id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  // One page at a time; a refresh that is asked for meanwhile comes after it.
  #load(cursor) {
    const next = (this.#loading ?? Promise.resolve()).then(() => this.#page(cursor));
    this.#loading = next;
    return next;
  }

  async #page(cursor) {
    const deeper = cursor !== undefined;
    if (deeper && cursor !== this.#cursor) return;
    if (deeper || this.#conversations.size === 0) this.status.replaceChildren(el("p", { class: "loading" }, "Loading…"));
    try {
      const page = await this.#api.conversations({ cursor });
      if (!deeper) this.#forgetGone(page);
      if (deeper || this.#cursor === undefined || !page.next_cursor) this.#cursor = page.next_cursor ?? null;
      for (const conversation of page.data) this.#conversations.set(conversation.id, conversation);
      this.#show();
      this.#more(deeper ? page.data.length : 0);
      if (deeper && page.data.length > 0) this.#rows.get(page.data[0].id).link.focus();
    } catch (error) {
      this.status.replaceChildren(failureNote(explained(error), () => this.#load(cursor)));
    }
  }

  /** Drops what the first page would show if it were still there. */
  #forgetGone({ data, next_cursor }) {
    const listed = new Set(data.map(({ id }) => id));
    const oldest = next_cursor ? Date.parse(data.at(-1).updated_at) : -Infinity;
    for (const { id, updated_at } of [...this.#conversations.values()]) {
      if (!listed.has(id) && Date.parse(updated_at) > oldest) this.#conversations.delete(id);
    }
  }

  #more(added) {
    if (added > 0) announce(`${added} more conversations.`);
    if (this.#cursor) {
      const more = el("button", { type: "button", class: "quiet", onclick: () => this.#load(this.#cursor) }, "Load more");
      this.status.replaceChildren(more);
    } else if (this.#conversations.size === 0) {
      this.status.replaceChildren(el("p", { class: "loading" }, "Conversations appear here."));
    } else {
      this.status.replaceChildren();
    }
  }

  #show() {
    const sorted = [...this.#conversations.values()].sort((one, other) => Date.parse(other.updated_at) - Date.parse(one.updated_at));
    for (const [id, { row }] of this.#rows) {
      if (!this.#conversations.has(id)) {
        row.remove();
        this.#rows.delete(id);
      }
    }
    sorted.forEach((conversation, index) => {
      const { row } = this.#row(conversation);
      if (this.list.children[index] !== row) this.list.insertBefore(row, this.list.children[index] ?? null);
    });
    this.mark(this.#current);
  }

  #row(conversation) {
    const { id, title, updated_at } = conversation;
    let made = this.#rows.get(id);
    if (!made) {
      const link = el("a", { href: `#/c/${id}` });
      const button = iconButton("trash", "Delete", { onclick: () => this.#onDelete(this.#conversations.get(id)) });
      made = { link, button, row: el("li", {}, link, button) };
      this.#rows.set(id, made);
    }
    made.link.textContent = title || "Untitled";
    made.link.title = `${title}\n${new Date(updated_at).toLocaleString()}`;
    made.button.setAttribute("aria-label", `Delete “${title}”`);
    return made;
  }
}
