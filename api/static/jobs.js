// The state of a job, in words.

import { size } from "./formats.js";

const STAGES = {
  fetch: "fetching", parse: "reading", recognise: "recognising", embed: "embedding", index: "indexing", purge: "removing",
  embed_query: "understanding",
  search: "searching", rerank: "ranking", generate: "writing", snapshot: "copying", upload: "storing",
  seal: "sealing", verify: "verifying", load: "loading", check: "comparing", switch: "switching",
  replay: "replaying", prune: "removing",
};

// Kinds whose progress is in bytes.
export const ABOUT_BACKUPS = ["backup", "verify", "rehearse", "restore", "prune"];

// What of a document was not read: sentences.
export const warningsOf = (found) => (found?.warnings ?? []).map((warning) => warning.text);

// Reasons to wait for which the place in the queue says enough.
const IN_LINE = ["queue", "turn", "bell"];

export function inWords(job) {
  const stage = STAGES[job.stage] || job.stage;
  const wait = job.waiting_for;
  if (wait && !IN_LINE.includes(wait.reason)) return `waiting: ${wait.message}`;
  if (job.state === "queued") return job.queue_position ? `waiting, place ${job.queue_position}` : "waiting";
  if (job.state !== "running") return job.state;
  if (!job.progress?.total) return stage;
  const counted = ABOUT_BACKUPS.includes(job.kind) ? size : String;
  return `${stage} ${counted(job.progress.done)}/${counted(job.progress.total)}`;
}
