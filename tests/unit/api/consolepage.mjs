// Runs the console's page of backups without a browser: node consolepage.mjs FOLDER
// The API has one backup at work. Prints what the page asked within a minute, and what it showed.

class Element {
  children = [];
  attributes = new Set();
  classList = { toggle() {} };
  append(...more) { this.children.push(...more); }
  replaceChildren(...others) { this.children = others; this.drawn = (this.drawn ?? 0) + 1; }
  addEventListener(kind, heard) { this[`on${kind}`] = heard; }
  removeAttribute(name) { delete this[name]; }
}

const elements = new Map();
const intervals = [];
const calls = [];
const [BEGAN, ENDED] = ["2026-11-23T20:07:00Z", "2026-11-23T20:09:00Z"];
const JOB = { id: "1", kind: "backup", subject: { name: "full backup" }, stage: "snapshot", state: "queued", created_at: BEGAN, progress: { done: 0, total: null }, error: null };
let over = false;
let stream;

globalThis.document = {
  hidden: false,
  getElementById(id) {
    if (!elements.has(id)) elements.set(id, Object.assign(new Element(), { value: "" }));
    return elements.get(id);
  },
  createElement: () => new Element(),
};
globalThis.sessionStorage = { getItem: () => null, setItem() {} };
globalThis.setInterval = (act, ms) => intervals.push([act, ms]);
globalThis.setTimeout = (act) => setImmediate(act);
globalThis.fetch = async (path) => {
  if (path.startsWith("/v1")) calls.push(path);
  if (path.endsWith("/events")) return new Response(new ReadableStream({ start: (opened) => { stream = opened; } }));
  const job = over ? { ...JOB, state: "succeeded", stage: "seal", finished_at: ENDED } : JOB;
  if (path.startsWith("/v1/jobs/1")) return Response.json(job);
  if (path.startsWith("/v1/jobs")) return Response.json({ items: [job], next: null });
  if (path.startsWith("/v1/backups/standing")) return Response.json({ backup: { last: null, last_good: null } });
  if (path.startsWith("/v1/backups")) return Response.json({ items: [], next: null });
  return Response.json({ status: "ok", version: "1", components: {} });
};

const settled = async () => { for (let i = 0; i < 50; i++) await new Promise(setImmediate); };
const sent = (kind, data) => stream.enqueue(new TextEncoder().encode(`event: ${kind}\ndata: ${JSON.stringify(data)}\nid: 1\n\n`));

function shown() {
  const { children: [item], drawn } = elements.get("jobs");
  const [, tag, bar] = item.children;
  return { tag: tag.textContent, value: bar?.value, max: bar?.max, drawn };
}

await import(`${process.argv[2]}/backups.js`);
await settled();
const seen = { waiting: shown() };
sent("state", { state: "running", stage: "upload", attempts: 1 });
sent("progress", { done: 750000000, total: 1000000000 });
await settled();
seen.working = shown();
for (const [act, ms] of intervals) for (let at = ms; at < 60000; at += ms) act();
await settled();
seen.minute = calls.length;
over = true;
stream.close();
await settled();
seen.over = shown();
console.log(JSON.stringify({ ...seen, calls }));
