// Small helpers for elements: everything on the page is made of nodes and text, never of HTML in a string.

const SVG = "http://www.w3.org/2000/svg";

/** Paths of the icons, on a grid of 24. */
const ICONS = {
  menu: "M4 6h16M4 12h16M4 18h16",
  plus: "M12 5v14M5 12h14",
  trash: "M4 7h16M10 11v6M14 11v6M6 7l1 12a2 2 0 0 0 2 2h6a2 2 0 0 0 2-2l1-12M9 7V5a2 2 0 0 1 2-2h2a2 2 0 0 1 2 2v2",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  down: "M12 5v14M6 13l6 6 6-6",
  leave: "M15 4h3a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-3M10 17l-5-5 5-5M5 12h11",
};

/** Makes an element: `on…` attributes are listeners, `true` is an empty attribute, `false` and null are none. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An icon, for beside a text or inside a button that has a label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that is only an icon to see. */
export function iconButton(name, label, attributes = {}) {
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, ...attributes }, icon(name));
}

/** Says something to those who listen to the page, once. */
export function announce(text) {
  const region = document.getElementById("announcer");
  region.replaceChildren(el("p", {}, text));
}

/** A failure as its sentence, with a button to try again. */
export function failureNote(failure, onRetry, label = "Try again") {
  const retry = onRetry ? el("button", { type: "button", class: "quiet", onclick: onRetry }, label) : null;
  return el("div", { class: "failure", role: "alert" }, el("p", {}, failure.message), retry);
}

/** The sentence of any error; a defect of this page is one too, and goes to the console. */
export function explained(error) {
  if (error.name === "Failure") return error;
  console.error(error);
  return { message: "This page has met a defect of its own. Load it again, please.", code: "defect" };
}

/** Puts a text on the clipboard; says whether it worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages from plain HTTP have no clipboard object, but may copy what is selected.
    const holder = el("textarea", { class: "visually-hidden", readonly: true, "aria-hidden": "true" });
    const focused = document.activeElement;
    holder.value = text;
    document.body.append(holder);
    holder.select();
    const copied = document.execCommand("copy");
    holder.remove();
    focused?.focus({ preventScroll: true });
    return copied;
  }
}
