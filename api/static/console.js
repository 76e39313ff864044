import { atOnce, isOver } from "./client.js";
import { deadLetters } from "./dead-letters.js";
import { $, made, said } from "./elements.js";
import { Followed } from "./following.js";
import { chosen, dropped, namesOf } from "./files.js";
import { many } from "./formats.js";
import { connected, keepFresh, showHealth } from "./header.js";
import { inWords, warningsOf } from "./jobs.js";

const client = connected();
const followed = new Followed(client);
const sending = atOnce(4);
let asked = null; // id of the question that the page shows
let turn = 0; // its number

const collection = () => $("collection").value.trim() || undefined;

// --- asking

async function ask(event) {
  event.preventDefault();
  const mine = next();
  const isLatest = () => mine === turn;
  const state = $("ask-state");
  said(state, "sending…");
  try {
    const body = { question: $("question").value, collection: collection(), stream: true };
    if ($("top-n").value) body.top_n = Number($("top-n").value);
    const putOff = (seconds) => isLatest() && said(state, `The service is busy or away: sending again in ${seconds} s…`);
    const { job_id: id } = await client.post("/v1/queries", body, { putOff, urgent: true });
    if (!isLatest()) return;
    asked = id;
    $("stop").hidden = false;
    const job = await client.follow(id, (kind, data) => isLatest() && asking(kind, data));
    if (isLatest()) finished(job);
  } catch (error) {
    if (isLatest()) said(state, error.message, true);
  } finally {
    if (isLatest()) $("stop").hidden = true;
    recent();
  }
}

// Begins a question: earlier ones no longer write to the page.
function next() {
  asked = null;
  $("stop").hidden = true;
  clearAnswer();
  return (turn += 1);
}

function clearAnswer() {
  for (const id of ["answer", "sources"]) $(id).hidden = true;
  for (const id of ["answer", "citations", "hits", "timings", "passage-title", "passage-place", "passage-text"]) $(id).replaceChildren();
}

function asking(kind, data) {
  if (kind === "state" && !isOver(data)) said($("ask-state"), `${inWords(data)}…`);
  if (kind === "token") {
    $("answer").hidden = false;
    $("answer").append(data.text);
  }
}

function finished(job) {
  if (job.state !== "succeeded") {
    said($("ask-state"), job.error?.detail || `The question ${job.state}.`, job.state !== "cancelled");
    return;
  }
  const coming = job.result.pending_documents; // of an answer that was not found
  const onTheirWay = coming ? `${many(coming, "document")} of this collection ${coming === 1 ? "is" : "are"} still on the way. Ask again when done.` : "";
  said($("ask-state"), [job.result.not_found?.message, onTheirWay].filter(Boolean).join(" "));
  show(job.result, job.subject.collection);
}

function show(result, name) {
  const open = (place) => () => passage(place, name);
  const places = new Map(result.citations.map((citation) => [String(citation.n), citation]));
  $("answer").replaceChildren(
    ...(result.answer ?? "").split(/\[(\d+)\]/).map((part, i) => {
      if (i % 2 === 0) return part;
      const place = places.get(part);
      if (!place) return `[${part}]`;
      return made("button", {
        className: "cite", type: "button", textContent: part, onclick: open(place),
        ariaLabel: `Source ${part}: ${place.title}`,
      });
    }),
  );
  $("answer").hidden = !result.answer;
  const entry = (place) => made("li", {}, made("button", { type: "button", onclick: open(place) },
    made("b", { textContent: `${place.n ? `[${place.n}] ` : ""}${place.title}${place.page ? `, page ${place.page}` : ""}` }),
    made("span", { textContent: place.text })));
  $("citations").replaceChildren(...result.citations.map(entry));
  $("hits").replaceChildren(...result.hits.map(entry));
  $("more").hidden = !result.hits.length;
  $("timings").textContent = `${result.generator ? `by ${result.generator}, ` : ""}${Math.round(result.timings_ms.total)} ms${result.cached ? ", cached" : ""}`;
  $("sources").hidden = false;
}

// Shows the quoted text with the text around it in the document.
async function passage(place, name) {
  const around = 400;
  const start = Math.max(0, place.start - around);
  $("passage-title").textContent = place.title;
  $("passage-place").textContent = [
    place.headings?.join(" › "), place.page && `page ${place.page}`,
    `characters ${place.start}–${place.end}`,
    place.recognised && `recognised, ${Math.round(100 * place.recognised.confidence)} % sure`, place.document_id,
  ].filter(Boolean).join(" · ");
  $("passage-page").href = place.url ?? "/console/document.html";
  const text = $("passage-text");
  text.replaceChildren(made("mark", { textContent: place.text }));
  $("passage").showModal();
  const query = new URLSearchParams({ start, end: place.end + around, ...(name ? { collection: name } : {}) });
  try {
    // Offsets count characters, not UTF-16 units.
    const found = [...await client.text(`/v1/documents/${encodeURIComponent(place.document_id)}/text?${query}`)];
    const [from, to] = [place.start - start, place.end - start];
    const quoted = found.slice(from, to).join("");
    if (quoted !== place.text) return; // the document changed meanwhile: the citation alone is right
    text.replaceChildren(found.slice(0, from).join(""), made("mark", { textContent: quoted }), found.slice(to).join(""));
  } catch (error) {
    $("passage-place").append(` · ${error.status === 404 ? "the document is gone" : error.message}`);
  }
}

// --- adding

function entry(label, doing = "") {
  const state = made("span", { className: "tag", textContent: doing });
  const note = made("small");
  $("uploads").prepend(made("li", {}, made("span", { textContent: label }), state, note));
  return [state, note];
}

function refuse(state, note, why) {
  Object.assign(state, { textContent: "refused", className: "tag failed" });
  note.textContent = why;
}

async function add(body, label) {
  const [state, note] = entry(label, "to be sent");
  try {
    const putOff = (seconds) => { state.textContent = `to be sent in ${seconds} s`; };
    const { job_id: id } = await sending(() => {
      state.textContent = "sending";
      return client.post("/v1/documents", body, { putOff });
    });
    const tell = (job) => { state.textContent = inWords(job); state.className = `tag ${job.state}`; };
    const job = await followed.follow(id, (kind, data) => {
      if (kind === "state") tell(data);
      if (kind === "progress") state.textContent = `${data.done}/${data.total}`;
    });
    tell(job);
    const done = job.result?.unchanged ? "already there" : `${job.result?.chunks ?? 0} passages`;
    note.textContent = job.error?.detail || [done, ...warningsOf(job.result)].join(" · ");
  } catch (error) {
    refuse(state, note, error.message);
  }
  changed();
}

// A file's path is its document's id: a file with the same path replaces the document.
function addFiles(files) {
  const paths = new Set();
  for (const { file, path, error } of files) {
    if (error || paths.has(path)) {
      refuse(...entry(path), error?.message || "Another file has the same path: drop a folder above both.");
      continue;
    }
    paths.add(path);
    const form = new FormData();
    if (collection()) form.append("collection", collection());
    if ($("keep").checked) form.append("on_conflict", "keep");
    for (const [name, value] of Object.entries(namesOf(path))) form.append(name, value);
    form.append("file", file, path);
    add(form, path);
  }
}

function addText(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  const source = /^https?:\/\/\S+$/.test(text) ? { url: text } : { text };
  add({ ...source, collection: collection() }, text.slice(0, 60));
  $("text").value = "";
}

// --- what goes on

let due = null; // the timer of the next refresh

// Refreshes once for all jobs that end within a second.
function changed() {
  due ??= setTimeout(() => {
    due = null;
    recent();
    collections();
  }, 1000);
}

async function recent() {
  try {
    const { items } = await client.get("/v1/jobs?limit=12");
    said($("jobs-note"), items.length ? "" : "Nothing yet.");
    $("jobs").replaceChildren(...items.map((job) => made("li", {},
      made("a", { textContent: `${job.kind} · ${job.subject.name}`, title: place(job), href: `/console/job.html#${job.id}` }),
      made("span", { className: `tag ${job.state}`, textContent: inWords(job) }),
      made("small", { textContent: [new Date(job.created_at).toLocaleTimeString(), job.error?.detail].filter(Boolean).join(" · ") }))));
  } catch (error) {
    if (error.refuses) $("jobs").replaceChildren();
    if (error.status === 401) clearAnswer();
    said($("jobs-note"), error.message, true);
  }
}

// The full text of what a job is about.
function place({ subject }) {
  return [subject.collection && `collection ${subject.collection}`, subject.document_id, subject.question].filter(Boolean).join(" · ");
}

async function collections() {
  const { items } = await client.get("/v1/collections").catch(() => ({ items: [] }));
  $("collections").replaceChildren(...items.map((item) => made("option", { value: item.name })));
}

const dead = deadLetters(client, recent);

function refresh() {
  showHealth();
  recent();
  dead.refresh();
}

// Removes what a former key has read; uploads go on.
function clear() {
  next();
  said($("ask-state"), "");
  for (const id of ["jobs", "collections"]) $(id).replaceChildren();
  dead.clear();
}

$("ask").addEventListener("submit", ask);
$("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("ask").requestSubmit();
});
$("stop").addEventListener("click", () => asked && client.remove(`/v1/jobs/${asked}`).catch((e) => said($("ask-state"), e.message, true)));
$("add").addEventListener("submit", addText);
for (const name of ["files", "folder"])
  $(name).addEventListener("change", (event) => { addFiles(chosen(event.target.files)); event.target.value = ""; });
for (const name of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") dropped(event.dataTransfer).then(addFiles);
  });
}
$("key").addEventListener("change", collections);
collections();
keepFresh(client, refresh, 5, clear);
