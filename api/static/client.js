// The API as the console uses it: requests with the key, problems as errors, events that resume, and
// patience where the API says when to come again.

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const [SOON_MS, LATE_MS] = [1000, 16000]; // until the next try
const PATIENCE_MS = { 429: 3600e3, 503: 300e3 }; // a full queue moves, a part that is away may not come back
const FINAL = new Set(["succeeded", "failed", "cancelled", "dead"]);
const SENDABLE = /^[\x20-\x7e\xa0-\xff]*$/; // what a header can say

export const isOver = (job) => FINAL.has(job.state);

export class Problem extends Error {
  constructor(problem, status, retryMs = null) {
    const said = problem.detail || problem.title || `The server answered ${status}`;
    super(status === 401 ? `${said}. This page takes it in the field at the top.` : said);
    this.status = status;
    this.retryMs = retryMs; // when to come again, where the API says so
  }

  // Whether the key may not see what was asked for.
  get refuses() {
    return this.status === 401 || this.status === 403;
  }

  // Whether it may pass by itself.
  get passes() {
    return this.status >= 500 || this.status === 429;
  }
}

// As many at once: the others wait for their turn.
export function atOnce(most) {
  const waiting = [];
  let running = 0;
  return async (act) => {
    if (running === most) await new Promise((turn) => waiting.push(turn));
    else running += 1;
    try {
      return await act();
    } finally {
      if (waiting.length) waiting.shift()();
      else running -= 1;
    }
  };
}

export class Client {
  #urgent = 0; // submits that others let pass
  #heldUntil = 0; // when reads are welcome again

  constructor(key) {
    this.key = key; // () => string
  }

  // Whether the API wants no reads now: what is only shown afresh can wait.
  get held() {
    return Date.now() < this.#heldUntil;
  }

  async get(path) {
    return this.#read(path, (response) => response.json());
  }

  // Sent again when the API says so or does not answer, with one Idempotency-Key, so that it makes one job;
  // putOff(seconds) is told. One that is urgent is not kept waiting by others that were put off too.
  async post(path, body, { putOff = () => {}, urgent = false } = {}) {
    const form = body instanceof FormData;
    const type = form || body === undefined ? {} : { "Content-Type": "application/json" };
    const sent = form || body === undefined ? body : JSON.stringify(body);
    const headers = { ...type, "Idempotency-Key": randomKey() };
    const since = Date.now();
    this.#urgent += urgent;
    try {
      for (let wait = SOON_MS; ; wait = Math.min(2 * wait, LATE_MS)) {
        while (this.#urgent && !urgent) await pause(SOON_MS / 4);
        try {
          return await (await this.#send(path, { method: "POST", body: sent, headers })).json();
        } catch (caught) {
          const error = caught instanceof TypeError ? await unanswered(caught, body, wait) : caught;
          if (!error.retryMs || !error.passes || Date.now() - since + error.retryMs > PATIENCE_MS[error.status]) throw error;
          putOff(Math.ceil(error.retryMs / 1000));
          await pause(error.retryMs);
        }
      }
    } finally {
      this.#urgent -= urgent;
    }
  }

  async patch(path, body) {
    const headers = { "Content-Type": "application/json" };
    return (await this.#send(path, { method: "PATCH", body: JSON.stringify(body), headers })).json();
  }

  async blob(path) {
    return this.#read(path, (response) => response.blob());
  }

  async remove(path) {
    return (await this.#send(path, { method: "DELETE" })).json();
  }

  async text(path) {
    return this.#read(path, (response) => response.text());
  }

  // Calls seen(kind, data) for every event of a job; returns the job once it is over.
  async follow(id, seen) {
    let last;
    for (let wait = SOON_MS; ; wait = Math.min(2 * wait, LATE_MS)) {
      try {
        for await (const event of this.events(`/v1/jobs/${id}/events`, { last })) {
          last = event.id || last;
          wait = SOON_MS;
          if (event.data) seen(event.kind, JSON.parse(event.data));
        }
      } catch (error) {
        if (error instanceof Problem && !error.passes) throw error;
        wait = Math.max(wait, error.retryMs ?? 0);
      }
      const job = await this.get(`/v1/jobs/${id}?wait=1`).catch(() => null);
      if (job && isOver(job)) return job;
      await pause(wait);
    }
  }

  // The events at a path, those after the last that was heard, as long as one connection lasts.
  async *events(path, { last, signal }) {
    yield* events(await this.#send(path, { headers: last ? { "Last-Event-ID": last } : {}, signal }));
  }

  #authorization() {
    if (!SENDABLE.test(this.key())) throw new Problem({ detail: "This cannot be an API key: no key has such characters" }, 401);
    return this.key() ? { Authorization: `Bearer ${this.key()}` } : {};
  }

  // What the key of now may read: what was answered to a former one is asked for again.
  async #read(path, body) {
    for (;;) {
      const key = this.key();
      try {
        const read = await body(await this.#send(path));
        if (key === this.key()) return read;
      } catch (error) {
        if (key === this.key()) throw error;
      }
    }
  }

  async #send(path, options = {}) {
    const headers = { ...options.headers, ...this.#authorization() };
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    const after = Number(response.headers.get("Retry-After"));
    if (response.status === 429 && !options.method) this.#heldUntil = Date.now() + 1000 * after;
    throw new Problem(await response.json().catch(() => ({})), response.status, after ? 1000 * after : null);
  }
}

// What fetch() says with one error for all: that a file of a form is gone or was changed, or that nobody answers.
async function unanswered({ message }, body, retryMs) {
  try {
    const files = body instanceof FormData ? [...body.values()].filter((value) => value instanceof File) : [];
    for (const file of files) await file.slice(0, 1).arrayBuffer();
  } catch {
    return new Error("This file cannot be read any more: choose it again.");
  }
  return new Problem({ detail: `The service does not answer: ${message}` }, 503, retryMs);
}

// Server-sent events, read from fetch because EventSource cannot send a key.
async function* events(response) {
  if (response.status === 204 || !response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield eventOf(block);
  }
}

// crypto.randomUUID is there on https and this machine alone.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function eventOf(block) {
  const event = { kind: "message", data: "", id: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) || [];
    if (name === "event") event.kind = value;
    if (name === "data") event.data += value;
    if (name === "id") event.id = value;
  }
  return event;
}
