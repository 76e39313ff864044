// Requests to the API with the key: problems become errors, event streams resume, and a request is sent again
// when the API says after how long.

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const [SOON_MS, LATE_MS] = [1000, 16000]; // until the next try
const PATIENCE_MS = { 429: 3600e3, 503: 300e3 }; // a full queue will move; a service that is down may stay down
const FINAL = new Set(["succeeded", "failed", "cancelled", "dead"]);
const SENDABLE = /^[\x20-\x7e\xa0-\xff]*$/; // what a header can carry

export const isOver = (job) => FINAL.has(job.state);

export class Problem extends Error {
  constructor(problem, status, retryMs = null) {
    const said = problem.detail || problem.title || `The server answered ${status}`;
    super(status === 401 ? `${said}. This page takes it in the field at the top.` : said);
    this.status = status;
    this.retryMs = retryMs; // when to send it again, where the API says so
  }

  // Whether the key may not see what was asked for.
  get refuses() {
    return this.status === 401 || this.status === 403;
  }

  // Whether a later try may succeed.
  get passes() {
    return this.status >= 500 || this.status === 429;
  }
}

// Runs at most so many calls at once; the others wait for their turn.
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
  #urgent = 0; // urgent submits: the others wait for them
  #heldUntil = 0; // when reads are welcome again

  constructor(key) {
    this.key = key; // () => string
  }

  // Whether the API has refused reads for now: periodic refreshes then wait.
  get held() {
    return Date.now() < this.#heldUntil;
  }

  async get(path) {
    return this.#read(path, (response) => response.json());
  }

  // Sends again when the API says so or does not answer; the Idempotency-Key makes it one job all the same.
  // Calls putOff(seconds) before each wait. An urgent one goes before others that wait too.
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

  // The events at a path after the id ``last``, until the connection ends.
  async *events(path, { last, signal }) {
    yield* events(await this.#send(path, { headers: last ? { "Last-Event-ID": last } : {}, signal }));
  }

  #authorization() {
    if (!SENDABLE.test(this.key())) throw new Problem({ detail: "This cannot be an API key: it has characters that no key has" }, 401);
    return this.key() ? { Authorization: `Bearer ${this.key()}` } : {};
  }

  // Reads with the present key: when the key has changed meanwhile, it reads again.
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

// fetch() fails with the same error when a file of a form is gone or changed, and when nobody answers: tell which.
async function unanswered({ message }, body, retryMs) {
  try {
    const files = body instanceof FormData ? [...body.values()].filter((value) => value instanceof File) : [];
    for (const file of files) await file.slice(0, 1).arrayBuffer();
  } catch {
    return new Error("This file can no longer be read: choose it again.");
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

// crypto.randomUUID exists on https and on localhost only.
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
