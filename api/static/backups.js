// Backups: which there are, what was proven of them, and what is being done.

import { isOver } from "./client.js";
import { $, made, said } from "./elements.js";
import { many, seconds, since, size } from "./formats.js";
import { connected, keepFresh, showHealth } from "./header.js";
import { ABOUT_BACKUPS, inWords } from "./jobs.js";

const client = connected();
const LATEST_OF_EACH = 3;
const SHOWN = 100;

const DONE = { backup: "Backup", verify: "Verification", rehearse: "Rehearsal", restore: "Restore", prune: "Prune" };

// --- how the last jobs ended

function figures(kind, { documents, points, objects, bytes, sent, golden, overlap, removed, kept, replayed }) {
  const has = (value, text) => (value === undefined || value === null ? null : text(value));
  const held = [has(documents, (n) => many(n, "document")), has(points, (n) => many(n, "point"))];
  const facts = {
    backup: [...held, has(bytes, size), has(sent, (n) => `${size(n)} sent`)],
    verify: [has(objects, (n) => many(n, "object")), has(bytes, size)],
    rehearse: [...held, has(golden, (n) => `${n} golden queries`), has(overlap, (n) => `${Math.round(n * 100)} % same hits`)],
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

// --- what is being done

function progress(job) {
  const item = made("li", {},
    made("span", { textContent: `${DONE[job.kind]} · ${since(job.created_at)}` }),
    made("span", { className: `tag ${job.state}`, textContent: inWords(job) }));
  if (!isOver(job)) {
    const bar = made("progress", { ariaLabel: `${DONE[job.kind]}: ${job.stage}` });
    if (job.progress.total) Object.assign(bar, { max: job.progress.total, value: job.progress.done });
    item.append(bar, made("span", { className: "actions" },
      action("Cancel", async () => { await client.remove(`/v1/jobs/${job.id}`); return "Cancelled."; })));
  }
  if (job.error) item.append(made("small", { textContent: job.error.detail ?? job.error.title }));
  return item;
}

async function jobs() {
  const pages = await Promise.all(ABOUT_BACKUPS.map((kind) => client.get(`/v1/jobs?kind=${kind}&limit=${LATEST_OF_EACH}`)));
  return pages.flatMap((page) => page.items).sort((a, b) => b.created_at.localeCompare(a.created_at));
}

// --- which there are

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

// A list that is drawn again loses the focus, so it is only when it changed; ages are told to the minute.
function draw(id, items, element) {
  const seen = JSON.stringify([items, Math.floor(Date.now() / 60000)]);
  if (drawn.get(id) === seen) return;
  drawn.set(id, seen);
  $(id).replaceChildren(...items.map(element));
}

async function refresh() {
  showHealth(client);
  await Promise.all([
    shown("standing-note", async () => {
      const standing = await client.get("/v1/backups/standing");
      draw("standing", Object.entries(standing), ([kind, outcomes]) => outcome(kind, outcomes));
    }),
    shown("jobs-note", async () => draw("jobs", await jobs(), progress)),
    shown("backups-note", async () => {
      const { items, next } = await client.get(`/v1/backups?limit=${SHOWN}`);
      draw("backups", items, row);
      $("table").hidden = !items.length;
      return items.length ? next && `The newest ${SHOWN}.` : "None yet.";
    }),
  ]);
}

// What read() says of it, or why it cannot be shown.
async function shown(note, read) {
  try {
    said($(note), (await read()) || "");
  } catch (error) {
    said($(note), error.message, true);
  }
}

for (const [id, path] of [["back-up", ""], ["verify", "/latest/verify"], ["rehearse", "/latest/rehearse"]]) {
  $(id).addEventListener("click", () => done($(id), () => begun(`/v1/backups${path}`)));
}
keepFresh(refresh);
