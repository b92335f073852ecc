// One HTTP request to our own server, what can go wrong with it, and how it is tried again.

/** Why a request failed, with a sentence for the person in `message`. */
export class Failure extends Error {
  constructor(message, { code = "network", status = 0, param, retryAfter, transient = false } = {}) {
    super(sentence(message));
    this.name = "Failure";
    this.code = code;
    this.status = status;
    this.param = param;
    /** Seconds to wait, as the server asked for. */
    this.retryAfter = retryAfter;
    /** Whether the same request may succeed a moment later. */
    this.transient = transient;
  }
}

/** The failure of a connection: nothing, or not everything, came back. */
export function disconnected() {
  return new Failure("The connection to the server was lost. Check your network, then try again.", { transient: true });
}

/** A failure from the error body that every part of the server writes. */
export function refused(detail, status = 0, retryAfter = undefined) {
  const { message, code, param } = detail;
  return new Failure(message, { code, status, param, retryAfter, transient: code === "unavailable" });
}

/** Makes a sentence of what the server says: its messages may begin small and end without a stop. */
export function sentence(message) {
  const text = String(message).trim();
  if (text === "") return "Something went wrong.";
  const begun = text[0].toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/**
 * Sends a request and gives the response when its status is good; throws a `Failure` otherwise.
 * An abort passes through as the `AbortError` it is.
 */
export async function send(method, path, { body, headers = {}, signal, fetch = globalThis.fetch } = {}) {
  const init = { method, headers: { ...headers }, signal, cache: "no-store", credentials: "omit", redirect: "error" };
  if (body !== undefined) {
    init.headers["content-type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw disconnected();
  }
  if (response.ok) return response;
  throw await failure(response, signal);
}

/** Reads a JSON body; one that breaks off is a lost connection. */
export async function json(response, signal) {
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw disconnected();
  }
}

async function failure(response, signal) {
  const { status } = response;
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const retryAfter = Number.isNaN(seconds) ? undefined : seconds;
  let detail;
  try {
    detail = (await response.json())?.error;
  } catch (error) {
    if (signal?.aborted) throw error;
  }
  if (typeof detail?.message === "string") return refused(detail, status, retryAfter);
  // A load balancer in between speaks HTML, and mostly when nobody is behind it.
  const transient = [429, 502, 503, 504].includes(status);
  const message = transient
    ? "The server is busy or being restarted. Try again in a moment."
    : `The server answered with status ${status}, which this page does not understand.`;
  return new Failure(message, { code: "http", status, retryAfter, transient });
}

/** Milliseconds before attempt `attempt` (from 1): doubling, with jitter so that many pages don't come at once. */
export function backoff(attempt, random = Math.random) {
  return Math.min(500 * 2 ** (attempt - 1), 8000) * (0.75 + random() / 2);
}

/** Waits; an abort ends it at once, with the signal's reason. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    function abort() {
      clearTimeout(timer);
      reject(signal.reason);
    }
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Does `work` again, at most `attempts` times, while its failure is one that passes.
 * Only for what may be done twice: reads, and requests with an idempotency key.
 */
export async function retried(work, { attempts = 3, signal, wait = pause, onRetry } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Failure) || !error.transient || attempt >= attempts) throw error;
      onRetry?.(error, attempt);
      const asked = Math.min((error.retryAfter ?? 0) * 1000, 30_000);
      await wait(Math.max(asked, backoff(attempt)), signal);
    }
  }
}

/** A key that names one intention, so that repeating its request has no second effect. */
export function newKey(source = globalThis.crypto) {
  // Browsers give randomUUID to pages from HTTPS or localhost only.
  if (typeof source.randomUUID === "function") return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
