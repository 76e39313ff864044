// Backups: the list, how the last jobs ended, and the jobs that run.

import { isOver } from "./client.js";
import { $, made, said } from "./elements.js";
import { many, seconds, since, size } from "./formats.js";
import { connected, keepFresh, showHealth } from "./header.js";
import { ABOUT_BACKUPS, inWords } from "./jobs.js";

const client = connected();
const LATEST = 12;
const SHOWN = 100;
const REFRESH_SECONDS = 15;
const FOLLOWED = 2; // at once: a browser opens six connections to a server

const DONE = { backup: "Backup", verify: "Verification", rehearse: "Rehearsal", restore: "Restore", prune: "Prune" };

// --- how the last jobs ended

function figures(kind, { documents, points, objects, bytes, sent, golden, overlap, removed, kept, replayed }) {
  const has = (value, text) => (value === undefined || value === null ? null : text(value));
  const held = [has(documents, (n) => many(n, "document")), has(points, (n) => many(n, "point"))];
  const facts = {
    backup: [...held, has(bytes, size), has(sent, (n) => `${size(n)} sent`)],
    verify: [has(objects, (n) => many(n, "object")), has(bytes, size)],
    rehearse: [...held, has(golden, (n) => `${n} golden queries`), has(overlap, (n) => `${Math.round(n * 100)} % of hits found again`)],
    restore: [...held, has(replayed, (n) => `${n} replayed`)],
    prune: [has(removed, (n) => `${n} removed`), has(kept, (n) => `${n} kept`), has(bytes, (n) => `${size(n)} freed`)],
  };
  return facts[kind].filter(Boolean).join(" · ");
}

function outcome(kind, { last, last_good: good }) {
  const lines = [];
  if (last) {
    lines.push(`${since(last.at)}, in ${seconds(last.seconds)}`, last.ok ? figures(kind, last.figures) : last.error ?? "");
    if (!last.ok) lines.push(good ? `The last good one was ${since(good.at)}.` : "None has succeeded yet.");
  }
  const [mark, state] = last ? (last.ok ? ["good", "succeeded"] : ["failed", "failed"]) : ["none yet", "quiet"];
  return made("li", {},
    made("span", { textContent: DONE[kind] }),
    made("span", { className: `tag ${state}`, textContent: mark, title: last ? new Date(last.at).toLocaleString() : "" }),
    ...lines.filter(Boolean).map((line) => made("small", { textContent: line })));
}

// --- jobs

const open = new Map(); // id -> a job that is not over, and what shows how far it is
const followed = new Set();

function progress(job) {
  const tag = made("span", { className: `tag ${job.state}`, textContent: inWords(job) });
  const item = made("li", {}, made("span", { textContent: `${DONE[job.kind]} · ${since(job.created_at)}`, title: job.subject.name }), tag);
  if (!isOver(job)) {
    const bar = made("progress");
    open.set(job.id, { job, tag, bar });
    item.append(bar, made("span", { className: "actions" },
      action("Cancel", async () => { await client.remove(`/v1/jobs/${job.id}`); return "Cancelled."; })));
  }
  if (job.error) item.append(made("small", { textContent: job.error.detail ?? job.error.title }));
  return item;
}

// Updates a job in place, so that its list is not drawn again.
function tell(id, news) {
  const seen = open.get(id);
  if (!seen) return;
  const { job, tag, bar } = Object.assign(seen, { job: { ...seen.job, ...news } });
  Object.assign(tag, { className: `tag ${job.state}`, textContent: inWords(job) });
  bar.ariaLabel = `${DONE[job.kind]}: ${job.stage}`;
  if (job.progress.total) Object.assign(bar, { max: job.progress.total, value: job.progress.done });
  else bar.removeAttribute("value");
}

// Follows a job until it is over: one call, however many events there are.
async function follow({ id }) {
  if (followed.has(id)) return;
  followed.add(id);
  try {
    await client.follow(id, (kind, data) => {
      if (kind === "progress") tell(id, { progress: data });
      if (kind !== "state") return;
      const { state, stage } = data;
      tell(id, stage === open.get(id)?.job.stage ? { state } : { state, stage, progress: {} });
    });
  } catch (error) {
    said($("jobs-note"), error.message, true);
    return;
  } finally {
    followed.delete(id);
  }
  refresh();
}

async function jobs() {
  const kinds = ABOUT_BACKUPS.map((kind) => `kind=${kind}`).join("&");
  const { items } = await client.get(`/v1/jobs?${kinds}&limit=${LATEST}`);
  const going = items.filter((job) => !isOver(job));
  draw("jobs", items, progress, items.map((job) => [job.id, isOver(job) && job.state, job.error]));
  for (const id of open.keys()) if (!going.some((job) => job.id === id)) open.delete(id);
  for (const job of going) tell(job.id, job);
  going.slice(-FOLLOWED).forEach(follow);
}

// --- the list

function row(backup) {
  if (backup.error) {
    return made("tr", {}, made("td", { textContent: backup.id, className: "id" }),
      made("td", { colSpan: 6, className: "bad", textContent: backup.error.detail }));
  }
  const cell = (text, title = "") => made("td", { textContent: text, title });
  const path = `/v1/backups/${encodeURIComponent(backup.id)}`;
  return made("tr", {},
    made("td", { textContent: backup.id, className: "id" }),
    cell(since(backup.began_at), new Date(backup.began_at).toLocaleString()),
    cell(`${backup.mode}${backup.encrypted ? ", encrypted" : ""}`, `by ${backup.trigger}, on ${backup.engine.kind} ${backup.engine.version}`),
    cell(backup.documents.toLocaleString(), backup.collections.map((each) => `${each.name}: ${each.documents}`).join("\n")),
    cell(backup.points.toLocaleString(), backup.collections.map((each) => `${each.name}: ${each.points}, ${each.digest}`).join("\n")),
    cell(size(backup.bytes), many(backup.objects, "object")),
    made("td", {}, made("span", { className: "actions" },
      action("Verify", () => begun(`${path}/verify`)), action("Rehearse", () => begun(`${path}/rehearse`))),
    ...backup.missing.map((line) => made("small", { className: "bad", textContent: `missing: ${line}` }))));
}

// --- the page

async function begun(path) {
  return `Job ${(await client.post(path)).job_id} is on its way.`;
}

function action(label, act) {
  const button = made("button", { type: "button", textContent: label });
  button.addEventListener("click", () => done(button, act));
  return button;
}

async function done(button, act) {
  button.disabled = true;
  try {
    said($("state"), await act());
  } catch (error) {
    said($("state"), error.message, true);
  }
  button.disabled = false;
  refresh();
}

const drawn = new Map();

// Drawing a list again loses the focus, so it is drawn only when ``what`` or the minute has changed.
function draw(id, items, element, what = items) {
  const seen = JSON.stringify([what, Math.floor(Date.now() / 60000)]);
  if (drawn.get(id) === seen) return;
  drawn.set(id, seen);
  $(id).replaceChildren(...items.map(element));
}

async function refresh() {
  showHealth();
  await Promise.all([
    shown("standing-note", async () => {
      const standing = await client.get("/v1/backups/standing");
      draw("standing", Object.entries(standing), ([kind, outcomes]) => outcome(kind, outcomes));
    }),
    shown("jobs-note", jobs),
    shown("backups-note", async () => {
      const { items, next } = await client.get(`/v1/backups?limit=${SHOWN}`);
      draw("backups", items, row);
      $("table").hidden = !items.length;
      return items.length ? next && `The newest ${SHOWN}.` : "None yet.";
    }),
  ]);
}

// Shows the text that read() returns, or why it failed.
async function shown(note, read) {
  try {
    said($(note), (await read()) || "");
  } catch (error) {
    if (error.refuses) clear(note.replace("-note", ""));
    said($(note), error.message, true);
  }
}

function clear(...lists) {
  for (const id of lists) {
    drawn.delete(id);
    $(id).replaceChildren();
    said($(`${id}-note`), "");
    if (id === "jobs") open.clear();
    if (id === "backups") $("table").hidden = true;
  }
}

for (const [id, path] of [["back-up", ""], ["verify", "/latest/verify"], ["rehearse", "/latest/rehearse"]]) {
  $(id).addEventListener("click", () => done($(id), () => begun(`/v1/backups${path}`)));
}
keepFresh(client, refresh, REFRESH_SECONDS, () => {
  clear("standing", "jobs", "backups");
  said($("state"), "");
});
