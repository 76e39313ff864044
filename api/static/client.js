// The API as the console uses it: requests with the key, problems as errors, events that resume.

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const [SOON_MS, LATE_MS] = [1000, 16000]; // until the next try
const FINAL = new Set(["succeeded", "failed", "cancelled", "dead"]);

export const isOver = (job) => FINAL.has(job.state);

export class Problem extends Error {
  constructor(problem, status) {
    const said = problem.detail || problem.title || `The server answered ${status}`;
    super(status === 401 ? `${said}. This page takes it in the field at the top.` : said);
    this.status = status;
  }
}

export class Client {
  constructor(key) {
    this.key = key; // () => string
  }

  async get(path) {
    return (await this.#send(path)).json();
  }

  async post(path, body) {
    const form = body instanceof FormData;
    const headers = form || body === undefined ? {} : { "Content-Type": "application/json" };
    const sent = form || body === undefined ? body : JSON.stringify(body);
    return (await this.#send(path, { method: "POST", body: sent, headers })).json();
  }

  async patch(path, body) {
    const headers = { "Content-Type": "application/json" };
    return (await this.#send(path, { method: "PATCH", body: JSON.stringify(body), headers })).json();
  }

  async blob(path) {
    return (await this.#send(path)).blob();
  }

  async remove(path) {
    return (await this.#send(path, { method: "DELETE" })).json();
  }

  async text(path) {
    return (await this.#send(path)).text();
  }

  // Calls seen(kind, data) for every event of a job; returns the job once it is over.
  async follow(id, seen) {
    let last;
    for (let wait = SOON_MS; ; wait = Math.min(2 * wait, LATE_MS)) {
      try {
        const headers = last ? { "Last-Event-ID": last } : {};
        const response = await this.#send(`/v1/jobs/${id}/events`, { headers });
        for await (const event of events(response)) {
          last = event.id || last;
          wait = SOON_MS;
          if (event.data) seen(event.kind, JSON.parse(event.data));
        }
      } catch (error) {
        if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
      }
      const job = await this.get(`/v1/jobs/${id}?wait=1`).catch(() => null);
      if (job && isOver(job)) return job;
      await pause(wait);
    }
  }

  async #send(path, options = {}) {
    const headers = { ...options.headers };
    if (this.key()) headers.Authorization = `Bearer ${this.key()}`;
    const response = await fetch(path, { ...options, headers });
    if (!response.ok) throw new Problem(await response.json().catch(() => ({})), response.status);
    return response;
  }
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
