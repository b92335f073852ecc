// The page: who is logged in, which conversation is open, and what lies where.

import { Api } from "./api.js";
import { announce, el, explained, failureNote, iconButton } from "./dom.js";
import { Entrance } from "./entrance.js";
import { Live } from "./live.js";
import { Session } from "./session.js";
import { Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";

const TITLE = "New conversation";
const ENDED = "Your session has ended. Log in again to go on.";
/** The list lies over the conversation where both don't fit beside each other. */
const NARROW = matchMedia("(max-width: 52rem)");

const at = (id) => document.getElementById(id);
const session = new Session();
const api = new Api(session);
const entrance = new Entrance({ session, onEntered: enter });

/** What belongs to the person who is logged in; null without one. */
let room = null;

function enter() {
  at("starting").hidden = true;
  if (room !== null && room.user !== session.user.id) leave();
  if (room === null) {
    const sidebar = new Sidebar(at("conversations"), { api, onDelete: confirmDelete });
    room = { user: session.user.id, sidebar, threads: new Map(), open: null, live: null };
  }
  room.live ??= new Live({ session, on: { message: heard, deleted: forget, missed: readAgain } });
  at("person").textContent = session.user.display_name || session.user.email;
  at("person").title = session.user.email;
  at("chat").hidden = false;
  room.sidebar.refresh().then(entitle);
  route();
}

/** Forgets everything of the person who was logged in. */
function leave() {
  if (room === null) return;
  room.live?.close();
  for (const thread of [...room.threads.values(), room.open]) thread?.close();
  at("thread").replaceChildren();
  at("conversations").replaceChildren();
  room = null;
}

function lock(notice) {
  if (room !== null) {
    room.live?.close();
    room.live = null;
  }
  at("chat").hidden = true;
  at("confirm").close();
  entrance.show(notice);
}

async function logout() {
  leave();
  history.replaceState(null, "", "#/");
  lock();
  await session.logout();
}

/** Opens what the address names: `#/c/<id>`, or a new conversation. */
function route() {
  if (room === null || at("chat").hidden) return;
  const id = /^#\/c\/([0-9a-f-]{36})$/i.exec(location.hash)?.[1] ?? null;
  if (room.open === null || room.open.id !== id || (id === null && !room.threads.has(null))) open(id);
  drawer(false);
}

function open(id) {
  const before = room.open;
  let thread = room.threads.get(id);
  if (!thread) {
    thread = new Thread({ id, api, hooks: { created, active } });
    room.threads.set(id, thread);
  } else if (thread !== before) {
    thread.refresh();
  }
  room.open = thread;
  at("thread").replaceChildren(thread.element);
  thread.shown();
  if (before && before !== thread && !before.busy) {
    before.close();
    room.threads.delete(before.id);
  }
  room.sidebar.mark(id);
  entitle();
}

function entitle() {
  if (room === null) return;
  const { id } = room.open;
  const title = id === null ? TITLE : room.sidebar.title(id) || "Conversation";
  at("title").textContent = title;
  document.title = id === null ? "Chatbot" : `${title} · Chatbot`;
}

/** A new conversation has got its id, and with it an address. */
function created(thread) {
  if (room?.threads.get(null) !== thread) return;
  room.threads.delete(null);
  room.threads.set(thread.id, thread);
  if (room.open !== thread) return;
  history.replaceState(null, "", `#/c/${thread.id}`);
  room.sidebar.mark(thread.id);
}

function active(thread) {
  room?.sidebar.touch(thread.id).then(entitle);
}

/** A message was stored, wherever it began. */
function heard(message) {
  if (room === null) return;
  room.threads.get(message.conversation_id)?.told(message);
  room.sidebar.touch(message.conversation_id).then(entitle);
}

/** Drops a conversation that is gone. */
function forget(id) {
  if (room === null) return;
  room.threads.get(id)?.close();
  room.threads.delete(id);
  room.sidebar.remove(id);
  if (room.open?.id === id) location.hash = "#/";
}

/** Reads what may have changed without this page being told. */
function readAgain() {
  if (document.hidden || room === null || at("chat").hidden) return;
  room.sidebar.refresh();
  room.open?.refresh();
}

function confirmDelete({ id, title }) {
  const dialog = at("confirm");
  at("confirm-text").textContent = `“${title}” and its messages will be gone for good.`;
  at("confirm-failure").replaceChildren();
  at("confirm-yes").disabled = false;
  at("confirm-yes").onclick = async () => {
    at("confirm-yes").disabled = true;
    try {
      await api.remove(id);
    } catch (error) {
      at("confirm-failure").replaceChildren(failureNote(explained(error)));
      at("confirm-yes").disabled = false;
      return;
    }
    dialog.close();
    forget(id);
    at("new").focus();
  };
  dialog.showModal();
  at("confirm-no").focus();
}

/** Opens or closes the list on a narrow page; what is covered cannot be reached by keyboard either. */
function drawer(opened) {
  const over = NARROW.matches && opened;
  document.body.classList.toggle("drawer", over);
  at("shade").hidden = !over;
  at("column").inert = over;
  at("sidebar").inert = NARROW.matches && !opened;
  menu.setAttribute("aria-expanded", String(over));
  if (over) at("new").focus();
}

const menu = iconButton("menu", "Conversations", { "aria-controls": "sidebar", onclick: () => drawer(true) });
at("toggle").replaceWith(menu);
at("logout").replaceWith(iconButton("leave", "Log out", { onclick: logout }));
at("confirm-no").addEventListener("click", () => at("confirm").close());
at("shade").addEventListener("click", () => drawer(false));
at("new").addEventListener("click", () => {
  // The address may be the same, and then nothing else tells.
  if (location.hash === "#/" || location.hash === "") drawer(false);
  room?.open.shown();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !document.body.classList.contains("drawer") || at("confirm").open) return;
  drawer(false);
  menu.focus();
});
NARROW.addEventListener("change", () => drawer(false));
window.addEventListener("hashchange", route);
document.addEventListener("visibilitychange", readAgain);
session.watch(window);
session.addEventListener("ended", () => {
  // A request that was still under way when the person logged out has nothing to say.
  if (room !== null) lock(ENDED);
});
// Another tab logged out, or someone else in: this one shows what that one does.
session.addEventListener("changed", () => location.reload());

/** Uses the token of a link that verifies an address, and says what came of it; null without one. */
async function verified() {
  const token = new URLSearchParams(location.search).get("verify");
  if (token === null) return null;
  history.replaceState(null, "", `/${location.hash}`);
  try {
    await session.verify(token);
    return "Your e-mail address is confirmed.";
  } catch (error) {
    return explained(error).message;
  }
}

async function start() {
  drawer(false);
  const token = /^#\/reset\/([\w-]+)$/.exec(location.hash)?.[1];
  if (token !== undefined) {
    history.replaceState(null, "", "/#/");
    entrance.showReset(token);
    return;
  }
  const notice = await verified();
  if (notice !== null) announce(notice);
  if (!session.stored) {
    entrance.show(notice ?? "");
    return;
  }
  at("starting").hidden = false;
  at("starting").replaceChildren(el("p", { class: "loading" }, "Loading…"));
  try {
    await session.token();
    enter();
  } catch (error) {
    const failure = explained(error);
    if (failure.status === 401) {
      at("starting").hidden = true;
      lock(ENDED);
    } else at("starting").replaceChildren(failureNote(failure, start));
  }
}

start();
