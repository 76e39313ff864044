// Follows many jobs by one stream: a browser opens only six connections to a server, and each call counts for
// the rate limit.

import { isOver, pause, Problem } from "./client.js";

const MOST_JOBS = 150; // that the API follows in one stream
const GATHER_MS = 500; // how long new jobs are gathered before the stream is opened again for them
const [SOON_MS, LATE_MS] = [1000, 16000]; // until the next try

export class Followed {
  #client;
  #jobs = new Map(); // id -> a job that is not over, and its callbacks
  #ids = []; // of the open stream
  #listening = null; // aborts it
  #running = false;

  constructor(client) {
    this.#client = client;
  }

  // Calls seen(kind, data) for each event of the job; returns its id, state, result and error once it is over.
  follow(id, seen) {
    return new Promise((done, failed) => {
      this.#jobs.set(id, { job: { id, state: "queued", result: null, error: null }, heard: [0, 0], seen, done, failed });
      if (this.#running) setTimeout(() => this.#ids.includes(id) || this.#grow(MOST_JOBS), GATHER_MS);
      else this.#run();
    });
  }

  // Opens the stream again when it lacks some jobs and has fewer than so many open ones.
  #grow(most) {
    const open = this.#ids.filter((id) => this.#jobs.has(id)).length;
    if (open < most && open < this.#jobs.size) this.#listening?.abort();
  }

  async #run() {
    this.#running = true;
    let last = "";
    for (let wait = SOON_MS; this.#jobs.size; ) {
      await pause(GATHER_MS);
      const wanted = [...this.#jobs.keys()].slice(0, MOST_JOBS);
      if (wanted.join() !== this.#ids.join()) [this.#ids, last] = [wanted, ""]; // a new stream begins with the first event
      this.#listening = new AbortController();
      const { signal } = this.#listening;
      try {
        const path = `/v1/events?${wanted.map((id) => `job=${encodeURIComponent(id)}`).join("&")}`;
        for await (const event of this.#client.events(path, { last, signal })) {
          last = event.id || last;
          wait = SOON_MS;
          if (event.data) this.#hear(event);
        }
        await this.#look(wanted);
      } catch (error) {
        if (signal.aborted) continue;
        if (error instanceof Problem && !error.passes) this.#fail(wanted, error);
        wait = Math.max(wait, error.retryMs ?? 0);
      }
      if (wanted.some((id) => this.#jobs.has(id))) await pause(wait);
      wait = Math.min(2 * wait, LATE_MS);
    }
    this.#running = false;
  }

  #hear({ id, kind, data }) {
    const { job_id: of, data: told } = JSON.parse(data);
    const known = this.#jobs.get(of);
    const place = id.split("/")[0].split("-").map(Number);
    if (!known || (id && !isAfter(place, known.heard))) return;
    if (id) known.heard = place;
    if (kind === "state") known.job.state = told.state;
    if (kind === "result") known.job.result = told;
    if (kind === "error") Object.assign(known.job, { error: told, state: isOver(known.job) ? known.job.state : "failed" });
    known.seen(kind, told);
    if (kind === "result" || kind === "error" || known.job.state === "cancelled") this.#end(known);
  }

  #end({ job, done }) {
    this.#jobs.delete(job.id);
    done(job);
    this.#grow(MOST_JOBS / 2);
  }

  #fail(ids, error) {
    for (const id of ids) {
      this.#jobs.get(id)?.failed(error);
      this.#jobs.delete(id);
    }
  }

  // After a stream: checks the jobs whose end it did not send.
  async #look(ids) {
    for (const id of ids.filter((each) => this.#jobs.has(each))) {
      const job = await this.#client.get(`/v1/jobs/${encodeURIComponent(id)}`);
      if (isOver(job)) this.#end(Object.assign(this.#jobs.get(id), { job }));
    }
  }
}

const isAfter = ([ms, number], [thenMs, thenNumber]) => ms > thenMs || (ms === thenMs && (number || 0) > thenNumber);
