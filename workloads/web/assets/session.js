// Who is logged in: the tokens, and how an access token is renewed once however many ask for it.

import { Failure, json, newKey, retried, send } from "./http.js";

// The refresh token is in localStorage, so that a reload or a second tab stays logged in; the access token is in memory
// only. Scripts of this origin could read it, and the content security policy admits no script but ours. A copied one
// is found out: it works once, and its second use ends the whole session on the server.
const STORED = "chatbot.session";
const LOCK = "chatbot.refresh";

/** Renew this long before the access token expires, in milliseconds, so that a request does not meet its end. */
const EARLY = 10_000;

/** Tells `ended` when the person must log in again, `changed` when another tab logged someone else in or out. */
export class Session extends EventTarget {
  #access = null;
  #refreshing = null;
  #fetch;
  #storage;
  #locks;
  #now;

  /** The account, or null. */
  user = null;

  constructor({ fetch, storage = browserStorage(), locks = globalThis.navigator?.locks, now = Date.now } = {}) {
    super();
    this.#fetch = fetch;
    this.#storage = storage;
    this.#locks = locks;
    this.#now = now;
  }

  /** Whether there is a session to go on with. */
  get stored() {
    return this.#read() !== null;
  }

  /** Makes an account. A repeated request with the same key makes none twice. */
  async register({ email, password, displayName }) {
    const key = newKey();
    const body = { email, password, ...(displayName ? { display_name: displayName } : {}) };
    this.#take(await retried(() => this.#post("register", body, { "idempotency-key": key })));
  }

  /** Logs in. */
  async login({ email, password }) {
    this.#take(await retried(() => this.#post("login", { email, password })));
  }

  /** Has a link sent that sets a new password, if the address has an account. */
  async forgotten({ email }) {
    await send("POST", "/v1/password-reset", { body: { email }, fetch: this.#fetch });
  }

  /** Sets a new password with the token of a link. */
  async reset({ token, password }) {
    const headers = { "idempotency-key": newKey() };
    const body = { token, password };
    await retried(() => send("POST", "/v1/password-reset/confirm", { body, headers, fetch: this.#fetch }));
  }

  /** Verifies the address that a link was sent to. */
  async verify(token) {
    const headers = { "idempotency-key": newKey() };
    await retried(() => send("POST", "/v1/verification/confirm", { body: { token }, headers, fetch: this.#fetch }));
  }

  /** Logs out here at once, and on the server if it can be reached. */
  async logout() {
    const stored = this.#read();
    this.#forget();
    if (stored === null) return;
    // The person is logged out here in any case; a session nobody has the token of expires by itself.
    await this.#post("logout", { refresh_token: stored.token }).catch(() => {});
  }

  /** An access token that should hold; `spent` is one that the server has just refused. */
  async token(spent = null) {
    const access = this.#access;
    if (access !== null && access.token !== spent && this.#now() < access.expires) return access.token;
    this.#refreshing ??= this.#alone(() => this.#refresh()).finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
    return this.#access.token;
  }

  /** Listens to the other tabs. */
  watch(window) {
    window.addEventListener("storage", (event) => {
      if (event.key !== STORED && event.key !== null) return;
      if ((this.#read()?.user ?? null) !== (this.user?.id ?? null)) this.dispatchEvent(new Event("changed"));
    });
  }

  // One tab at a time: a refresh token works once. Where the browser has no locks (plain HTTP), the server's grace for
  // a token that comes twice within seconds does.
  #alone(work) {
    return this.#locks ? this.#locks.request(LOCK, work) : work();
  }

  async #refresh() {
    // Read under the lock: another tab may have put a newer one there.
    let stored = this.#read();
    while (stored !== null) {
      const sent = stored.token;
      if (this.user !== null && stored.user !== this.user.id) break;
      try {
        this.#take(await retried(() => this.#post("refresh", { refresh_token: sent })));
        return;
      } catch (error) {
        if (!(error instanceof Failure) || error.status !== 401) throw error;
        stored = this.#read();
        if (stored?.token === sent) break;
      }
    }
    this.#access = null;
    // What another person's tab has stored stays theirs.
    if (this.user === null || stored === null || stored.user === this.user.id) this.#forget();
    this.dispatchEvent(new Event("ended"));
    throw new Failure("Your session has ended. Log in again.", { code: "unauthenticated", status: 401 });
  }

  async #post(what, body, headers) {
    const response = await send("POST", `/v1/auth/${what}`, { body, headers, fetch: this.#fetch });
    return response.status === 204 ? null : json(response);
  }

  #take(tokens) {
    this.user = tokens.user;
    const life = tokens.expires_in * 1000;
    this.#access = { token: tokens.access_token, expires: this.#now() + Math.max(life - EARLY, life / 2) };
    this.#storage.setItem(STORED, JSON.stringify({ token: tokens.refresh_token, user: tokens.user.id }));
  }

  #forget() {
    this.#access = null;
    this.user = null;
    this.#storage.removeItem(STORED);
  }

  #read() {
    try {
      const stored = JSON.parse(this.#storage.getItem(STORED));
      return typeof stored?.token === "string" ? stored : null;
    } catch {
      return null;
    }
  }
}

/** The browser's storage, or a short-lived one where a person has forbidden it. */
export function browserStorage(kind = "localStorage") {
  try {
    const storage = globalThis[kind];
    storage.getItem(STORED);
    return storage;
  } catch {
    const values = new Map();
    return {
      getItem: (key) => values.get(key) ?? null,
      setItem: (key, value) => values.set(key, value),
      removeItem: (key) => values.delete(key),
    };
  }
}
