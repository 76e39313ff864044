// Files that are chosen or dropped, each with its path in the folder it came in, as the command line has it.

const NO_DOCUMENTS = new Set(["node_modules", "__pycache__", "venv"]);
const hidden = (name) => name.startsWith(".") || NO_DOCUMENTS.has(name);

// From an <input>, of files or of a folder: [{file, path}].
export function chosen(files) {
  return [...files].map((file) => ({ file, path: below(file.webkitRelativePath || file.name) }))
    .filter(({ file, path }) => !file.webkitRelativePath || !path.split("/").some(hidden));
}

// From a drop, folders walked: [{file, path}], and [{path, error}] for what cannot be read.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files);
  const found = [];
  for (const entry of entries) await (entry.isFile ? take(entry, "", found) : walk(entry, "", found));
  return found;
}

// Id and title of a file whose name a form would change: a browser escapes such characters, and the API
// reads a backslash as a slash. An id has printable characters only.
export function namesOf(path) {
  if (!/["\\\r\n]/.test(path)) return {};
  const document_id = path.normalize("NFC").replace(/(?! )[\p{C}\p{Z}]/gu, encodeURIComponent);
  return { document_id, title: path.split("/").pop() };
}

// The path without its first folder, which is the one that was chosen.
const below = (path) => path.split("/").slice(path.includes("/") ? 1 : 0).join("/");

async function take(entry, folder, found) {
  const path = folder + entry.name;
  try {
    found.push({ path, file: await new Promise((done, failed) => entry.file(done, failed)) });
  } catch (error) {
    found.push({ path, error });
  }
}

// ``folder``: the path below the dropped folder, with a slash at its end.
async function walk(entry, folder, found) {
  const path = folder.slice(0, -1) || entry.name;
  for (const child of await children(entry, (error) => found.push({ path, error }))) {
    if (hidden(child.name)) continue;
    await (child.isFile ? take(child, folder, found) : walk(child, `${folder}${child.name}/`, found));
  }
}

// A reader returns a hundred entries at a time; failed(error) is called when it fails.
async function children(folder, failed) {
  const reader = folder.createReader(), all = [];
  for (;;) {
    const read = new Promise((done, unread) => reader.readEntries(done, unread));
    const some = await read.catch((error) => (failed(error), []));
    if (!some.length) return all.sort((one, other) => (one.name < other.name ? -1 : 1));
    all.push(...some);
  }
}
