// Shows Markdown: nodes from the plain data of the reader, changing only what has changed while an answer grows.

import { announce, copy, el } from "./dom.js";
import { parse } from "./markdown.js";

/** A place that shows a growing text. */
export class Rendering {
  #shown = [];

  constructor(element) {
    this.element = element;
  }

  /** Shows the whole text so far. */
  update(text) {
    const blocks = parse(text);
    blocks.forEach((block, index) => {
      const before = this.#shown[index];
      if (before?.block.source === block.source) return;
      if (before?.block.type === "code" && block.type === "code" && before.block.language === block.language) {
        // The same element, so that it keeps its scroll position and its button the focus.
        before.node.querySelector("code").textContent = block.text;
        before.block = block;
        return;
      }
      const node = blockNode(block);
      if (before) before.node.replaceWith(node);
      else this.element.append(node);
      this.#shown[index] = { block, node };
    });
    for (const { node } of this.#shown.splice(blocks.length)) node.remove();
  }
}

function blockNode(block) {
  switch (block.type) {
    case "heading":
      // The page has its own first and second level.
      return el(`h${Math.min(block.level + 2, 6)}`, {}, ...inlineNodes(block.inlines));
    case "code":
      return codeNode(block);
    case "list":
      return listNode(block);
    case "quote":
      return el("blockquote", {}, ...block.blocks.map(blockNode));
    case "table":
      return tableNode(block);
    case "rule":
      return el("hr");
    default:
      return el("p", {}, ...inlineNodes(block.inlines));
  }
}

function codeNode({ language, text }) {
  const code = el("code", {}, text);
  const button = el("button", { type: "button", class: "quiet", "aria-label": "Copy code" }, "Copy");
  button.addEventListener("click", async () => {
    const copied = await copy(code.textContent);
    button.textContent = copied ? "Copied" : "Select and copy by hand";
    announce(copied ? "Code copied." : "The browser does not let this page copy.");
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  const head = el("div", { class: "code-head" }, el("span", {}, language || "text"), button);
  // Keyboards scroll what can be focused.
  return el("div", { class: "code" }, head, el("pre", { tabindex: "0" }, code));
}

function listNode({ ordered, start, loose, items }) {
  const attributes = { class: loose ? "loose" : null, start: ordered && start !== 1 ? String(start) : null };
  const nodes = items.map((blocks) => el("li", {}, ...blocks.map(blockNode)));
  return el(ordered ? "ol" : "ul", attributes, ...nodes);
}

function tableNode({ align, head, rows }) {
  const cell = (name) => (inlines, column) => el(name, { class: `align-${align[column]}` }, ...inlineNodes(inlines));
  const body = rows.map((row) => el("tr", {}, ...row.map(cell("td"))));
  const table = el("table", {}, el("thead", {}, el("tr", {}, ...head.map(cell("th")))), el("tbody", {}, ...body));
  return el("div", { class: "table", tabindex: "0" }, table);
}

function inlineNodes(inlines) {
  return inlines.map((node) => {
    switch (node.type) {
      case "text":
        return document.createTextNode(node.text);
      case "break":
        return el("br");
      case "code":
        return el("code", {}, node.text);
      case "link":
        return el("a", { href: node.href, target: "_blank", rel: "noopener noreferrer" }, ...inlineNodes(node.children));
      default:
        // strong, em, del, span
        return el(node.type, {}, ...inlineNodes(node.children));
    }
  });
}
