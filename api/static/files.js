// Files that are chosen or dropped, each with its path in the folder it came in, as the command line has it.

const NO_DOCUMENTS = new Set(["node_modules", "__pycache__", "venv"]);
const hidden = (name) => name.startsWith(".") || NO_DOCUMENTS.has(name);

// From an <input>, of files or of a folder: [{file, path}].
export function chosen(files) {
  return [...files].map((file) => ({ file, path: below(file.webkitRelativePath || file.name) }))
    .filter(({ file, path }) => !file.webkitRelativePath || !path.split("/").some(hidden));
}

// From a drop, folders walked: [{file, path}].
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files);
  const found = [];
  for (const entry of entries) await (entry.isFile ? take(entry, "", found) : walk(entry, "", found));
  return found;
}

// The first folder is the one that was named.
const below = (path) => path.split("/").slice(path.includes("/") ? 1 : 0).join("/");

async function take(entry, folder, found) {
  const file = await new Promise((done, failed) => entry.file(done, failed));
  found.push({ file, path: folder + entry.name });
}

// ``folder``: where its entries are below the one that was dropped, with a slash at its end.
async function walk(entry, folder, found) {
  for (const child of await children(entry)) {
    if (hidden(child.name)) continue;
    await (child.isFile ? take(child, folder, found) : walk(child, `${folder}${child.name}/`, found));
  }
}

// A reader tells a hundred at a time.
async function children(folder) {
  const reader = folder.createReader(), all = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return all.sort((one, other) => (one.name < other.name ? -1 : 1));
    all.push(...some);
  }
}
