// The form to log in, or to register.

import { announce, explained } from "./dom.js";

const WORDS = {
  login: { title: "Log in", submit: "Log in", question: "No account yet?", other: "Register" },
  register: { title: "Make an account", submit: "Register", question: "Have an account?", other: "Log in" },
};

/** Calls `onEntered()` once the session has an account. */
export class Entrance {
  #session;
  #onEntered;
  #mode = "login";
  #busy = false;

  constructor({ session, onEntered }) {
    this.#session = session;
    this.#onEntered = onEntered;
    this.page = document.getElementById("entrance");
    this.form = document.getElementById("account");
    this.failure = document.getElementById("account-failure");
    this.notice = document.getElementById("account-notice");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    document.getElementById("account-switch").addEventListener("click", () => {
      this.#set(this.#mode === "login" ? "register" : "login");
      this.form.elements[this.#mode === "login" ? "email" : "display_name"].focus();
    });
  }

  /** Shows the form, with a notice why when there is one. */
  show(notice = "") {
    this.#set("login");
    this.notice.textContent = notice;
    this.notice.hidden = notice === "";
    this.page.hidden = false;
    document.title = "Log in · Chatbot";
    this.form.elements.email.focus();
  }

  hide() {
    this.page.hidden = true;
    this.form.reset();
  }

  #set(mode) {
    this.#mode = mode;
    const words = WORDS[mode];
    const registers = mode === "register";
    for (const [part, text] of Object.entries({ title: words.title, submit: words.submit, question: words.question, switch: words.other })) {
      document.getElementById(`account-${part}`).textContent = text;
    }
    document.getElementById("account-name").hidden = !registers;
    document.getElementById("account-hint").hidden = !registers;
    const { password } = this.form.elements;
    password.autocomplete = registers ? "new-password" : "current-password";
    password.minLength = registers ? 10 : 0;
    this.#wrong(null);
  }

  async #submit() {
    if (this.#busy) return;
    const { email, password, display_name } = this.form.elements;
    this.#wrong(null);
    this.#working(true);
    try {
      const account = { email: email.value.trim(), password: password.value, displayName: display_name.value.trim() };
      await this.#session[this.#mode](account);
      this.hide();
      this.#onEntered();
      announce("You are logged in.");
    } catch (error) {
      this.#wrong(explained(error));
    } finally {
      this.#working(false);
    }
  }

  #working(working) {
    this.#busy = working;
    const submit = document.getElementById("account-submit");
    submit.setAttribute("aria-disabled", String(working));
    submit.textContent = working ? "One moment…" : WORDS[this.#mode].submit;
  }

  #wrong(failure) {
    for (const field of this.form.querySelectorAll("input")) field.removeAttribute("aria-invalid");
    this.failure.hidden = failure === null;
    this.failure.textContent = failure?.message ?? "";
    const fields = { email_taken: "email", invalid_credentials: "password" };
    const field = this.form.elements[failure?.param ?? fields[failure?.code] ?? ""];
    if (!field) return;
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}
