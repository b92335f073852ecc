// The form to log in, to register, or to get a new password.

import { announce, explained } from "./dom.js";

const WORDS = {
  login: { title: "Log in", submit: "Log in", question: "No account yet?", other: "Register" },
  register: { title: "Make an account", submit: "Register", question: "Have an account?", other: "Log in" },
  forgotten: { title: "Forgot your password?", submit: "Send me a link", question: "Remember it?", other: "Log in" },
  reset: { title: "Choose a new password", submit: "Set the password", question: "Remember the old one?", other: "Log in" },
};

/** What is said once it is done, where that is not to be logged in. */
const DONE = {
  forgotten: "If there is an account with this address, a link is on its way. It is good for an hour.",
  reset: "Your password is set. Log in with it.",
};

/** Calls `onEntered()` once the session has an account. */
export class Entrance {
  #session;
  #onEntered;
  #mode = "login";
  #busy = false;
  #token = null;

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
    document.getElementById("account-forgotten").addEventListener("click", () => {
      this.#set("forgotten");
      this.form.elements.email.focus();
    });
  }

  /** Shows the form, with a notice why when there is one. */
  show(notice = "") {
    this.#set("login");
    this.#say(notice);
    this.page.hidden = false;
    document.title = "Log in · Chatbot";
    this.form.elements.email.focus();
  }

  /** Shows the form for a new password; `token` is that of the link. */
  showReset(token) {
    this.show();
    this.#token = token;
    this.#set("reset");
    this.form.elements.password.focus();
  }

  hide() {
    this.page.hidden = true;
    this.form.reset();
  }

  #set(mode) {
    this.#mode = mode;
    const words = WORDS[mode];
    const registers = mode === "register";
    const chooses = registers || mode === "reset";
    for (const [part, text] of Object.entries({ title: words.title, submit: words.submit, question: words.question, switch: words.other })) {
      document.getElementById(`account-${part}`).textContent = text;
    }
    document.getElementById("account-name").hidden = !registers;
    document.getElementById("account-hint").hidden = !chooses;
    document.getElementById("account-help").hidden = mode !== "login";
    const { email, password } = this.form.elements;
    this.#ask("email", email, mode !== "reset");
    this.#ask("password", password, mode !== "forgotten");
    password.autocomplete = chooses ? "new-password" : "current-password";
    password.minLength = chooses ? 10 : 0;
    this.#wrong(null);
  }

  /** Shows a field and wants it, or neither. */
  #ask(name, field, wanted) {
    document.getElementById(`account-${name}`).hidden = !wanted;
    field.required = wanted;
  }

  #say(notice) {
    this.notice.textContent = notice;
    this.notice.hidden = notice === "";
  }

  async #submit() {
    if (this.#busy) return;
    const { email, password, display_name } = this.form.elements;
    this.#wrong(null);
    this.#working(true);
    try {
      const account = { email: email.value.trim(), password: password.value, displayName: display_name.value.trim(), token: this.#token };
      const done = DONE[this.#mode];
      await this.#session[this.#mode](account);
      if (done !== undefined) {
        password.value = "";
        this.#set("login");
        this.#say(done);
        return;
      }
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
