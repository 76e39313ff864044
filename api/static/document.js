// The documents of a collection, and one of them: its text with a marked passage, its file, title and metadata.
//
// The address says which: #collection=NAME&document=ID&version=N&start=FROM&end=TO

import { $, made, said } from "./elements.js";
import { many } from "./formats.js";
import { connected, keepFresh, showHealth } from "./header.js";
import { warningsOf } from "./jobs.js";

const AROUND = 3000; // characters of the text at a time, on either side
const client = connected();
let shown; // {place, document, from, to}: what the page shows, and how much of the text
let next = null; // cursor of the next page

// --- the address

function placeOf(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name) => (/^\d{1,15}$/.test(fields.get(name) ?? "") ? Number(fields.get(name)) : null);
  return {
    collection: fields.get("collection") || "", id: fields.get("document") || "",
    version: number("version"), start: number("start"), end: number("end"),
  };
}

const addressOf = (place) =>
  `#${new URLSearchParams({ ...(place.collection ? { collection: place.collection } : {}), document: place.id })}`;

function pathOf(place, behind = "", query = {}) {
  const asked = new URLSearchParams({ ...(place.collection ? { collection: place.collection } : {}), ...query });
  return `/v1/documents/${encodeURIComponent(place.id)}${behind}${asked.size ? `?${asked}` : ""}`;
}

// --- one document

async function open() {
  const place = placeOf(location.hash);
  if (place.collection) $("collection").value = place.collection;
  $("document").hidden = true;
  shown = undefined;
  if (!place.id) {
    $("name").textContent = "Choose a document";
    said($("state"), "");
    return;
  }
  $("name").textContent = place.id;
  said($("state"), "looking…");
  try {
    const document = await client.get(pathOf(place));
    const from = Math.max(0, (place.start ?? 0) - AROUND);
    shown = { place, document, from, to: (place.end ?? 0) + AROUND };
    showFacts(document);
    await showText();
    said($("state"), place.version && place.version !== document.version
      ? "The document has another version now: the passage may be elsewhere in it, or gone." : "");
    $("document").hidden = false;
    $("text").querySelector("mark")?.scrollIntoView({ block: "center" });
  } catch (error) {
    said($("state"), error.message, true);
  }
}

function showFacts(document) {
  const facts = {
    Id: document.document_id, Collection: document.collection, Type: document.media_type,
    Version: document.version, Passages: document.chunks, Changed: new Date(document.updated_at).toLocaleString(),
    ...(document.warnings?.length ? { Warnings: warningsOf(document).join("; ") } : {}),
    Metadata: Object.keys(document.metadata).length ? JSON.stringify(document.metadata) : "none",
  };
  $("name").textContent = document.title;
  $("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) =>
    [made("dt", { textContent: name }), made("dd", { textContent: value })]));
  $("title").value = document.title;
  $("metadata").value = JSON.stringify(document.metadata, null, 1);
}

// Offsets count characters, not UTF-16 units.
async function showText() {
  const { place, from, to } = shown;
  const found = [...await client.text(pathOf(place, "/text", { start: from, end: to }))];
  const part = (start, end) => found.slice(Math.max(0, start - from), Math.max(0, end - from)).join("");
  const marked = place.start !== null && place.end > place.start && part(place.start, place.end);
  $("text").replaceChildren(...(marked
    ? [part(from, place.start), made("mark", { textContent: marked }), part(place.end, to)]
    : [found.join("")]));
  $("before").hidden = from === 0;
  $("after").hidden = found.length < to - from;
}

async function extend(before) {
  if (before) shown.from = Math.max(0, shown.from - 2 * AROUND);
  else shown.to += 2 * AROUND;
  await showText().catch((error) => said($("state"), error.message, true));
}

async function download() {
  try {
    const sent = await client.blob(pathOf(shown.place, "/content"));
    const kept = sent.slice(0, sent.size, "application/octet-stream"); // so that the browser never shows it as a page of ours
    const file = URL.createObjectURL(kept);
    const name = shown.place.id.split("/").filter(Boolean).pop() || "document";
    made("a", { href: file, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
  } catch (error) {
    said($("state"), error.message, true);
  }
}

// A merge patch (RFC 7396): a member that is missing in the field becomes null, which removes it.
function patchOf(before, after) {
  const gone = Object.keys(before).filter((name) => !(name in after)).map((name) => [name, null]);
  const inner = ([name, value]) => {
    const nested = (each) => each !== null && typeof each === "object" && !Array.isArray(each);
    return [name, nested(value) && nested(before[name]) ? patchOf(before[name], value) : value];
  };
  return Object.fromEntries([...gone, ...Object.entries(after).map(inner)]);
}

async function change(event) {
  event.preventDefault();
  const note = $("changed");
  try {
    const body = { metadata: patchOf(shown.document.metadata, JSON.parse($("metadata").value || "{}")) };
    if ($("title").value.trim() !== shown.document.title) body.title = $("title").value.trim();
    said(note, "changing…");
    const { job_id: id } = await client.patch(pathOf(shown.place), body);
    const job = await client.follow(id, () => {});
    if (job.state !== "succeeded") throw new Error(job.error?.detail || `The change ${job.state}.`);
    showFacts(shown.document = await client.get(pathOf(shown.place)));
    said(note, "Changed.");
    list();
  } catch (error) {
    said(note, error.message, true);
  }
}

async function remove() {
  if (!confirm(`Delete ${shown.place.id}? No search finds it from then on.`)) return;
  try {
    await client.remove(pathOf(shown.place));
    location.hash = "";
    list();
  } catch (error) {
    said($("state"), error.message, true);
  }
}

// --- the list

async function list(more = false) {
  const collection = $("collection").value.trim();
  const asked = new URLSearchParams({ limit: 50, ...(collection ? { collection } : {}), ...(more && next ? { cursor: next } : {}) });
  try {
    const page = await client.get(`/v1/documents?${asked}`);
    const items = page.items.map((document) => made("li", {},
      made("a", { href: addressOf({ collection, id: document.document_id }), textContent: document.title }),
      made("span", { className: "quiet", textContent: many(document.chunks, "passage") }),
      made("small", { textContent: document.document_id })));
    if (more) $("list").append(...items);
    else $("list").replaceChildren(...items);
    next = page.next;
    said($("list-note"), $("list").children.length ? "" : "None yet.");
  } catch (error) {
    next = null;
    $("list").replaceChildren();
    said($("list-note"), error.message, true);
  }
  $("more").hidden = next === null;
}

async function collections() {
  const { items } = await client.get("/v1/collections").catch(() => ({ items: [] }));
  $("collections").replaceChildren(...items.map((item) => made("option", { value: item.name })));
}

async function begin() {
  clear();
  await open();
  list();
  collections();
}

function clear() {
  for (const id of ["list", "facts", "text", "changed", "collections"]) $(id).replaceChildren();
  for (const id of ["title", "metadata"]) $(id).value = "";
  $("document").hidden = $("more").hidden = true;
  next = null;
}

addEventListener("hashchange", open);
$("choose").addEventListener("submit", (event) => { event.preventDefault(); list(); });
$("more").addEventListener("click", () => list(true));
$("before").addEventListener("click", () => extend(true));
$("after").addEventListener("click", () => extend(false));
$("download").addEventListener("click", download);
$("delete").addEventListener("click", remove);
$("change").addEventListener("submit", change);
begin();
keepFresh(client, showHealth, 15, begin);
