// One job, whose id is the address's fragment. Flower's tasks lead here.

import { isOver } from "./client.js";
import { $, made, said } from "./elements.js";
import { since } from "./formats.js";
import { connected, keepFresh, showHealth } from "./header.js";
import { inWords } from "./jobs.js";

const client = connected();
const REFRESH_SECONDS = 2;
let over = false; // the job that is shown changes no more

const id = () => location.hash.slice(1);
const time = (moment) => moment && `${new Date(moment).toLocaleString()}, ${since(moment)}`;

// Name and value of each fact; those without a value are left out.
function factsOf(job) {
  return [
    ["id", job.id],
    ["kind", job.kind],
    ["state", inWords({ ...job, waiting_for: null })],
    ["waits for", job.waiting_for?.message],
    ["stage", job.attempts ? `${job.stage}, attempt ${job.attempts}` : job.stage],
    ["collection", job.subject.collection],
    ["document", job.subject.document_id],
    ["question", job.subject.question],
    ["created", time(job.created_at)],
    ["started", time(job.started_at)],
    ["finished", time(job.finished_at)],
    ["error", job.error?.detail],
    ["trace", job.trace_id],
  ].filter(([, value]) => value);
}

async function refresh() {
  showHealth();
  if (over) return;
  const wanted = id();
  if (!wanted) return said($("state"), "The address names no job: it ends in # and a job's id.", true);
  try {
    const job = await client.get(`/v1/jobs/${encodeURIComponent(wanted)}`);
    if (wanted !== id()) return;
    over = isOver(job);
    said($("state"), "");
    $("name").textContent = job.subject.name;
    $("facts").replaceChildren(...factsOf(job).map(([name, value]) => made("tr", {},
      made("th", { scope: "row", textContent: name }), made("td", { textContent: value }))));
  } catch (error) {
    if (error.refuses) clear();
    said($("state"), error.message, true);
  }
}

// Removes what was shown of another job, or to a former key.
function clear() {
  over = false;
  $("name").textContent = "Job";
  $("facts").replaceChildren();
}

addEventListener("hashchange", () => {
  clear();
  refresh();
});
keepFresh(client, refresh, REFRESH_SECONDS, clear);
