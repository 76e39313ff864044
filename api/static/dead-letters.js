// The jobs that were given up: why, and buttons to replay or drop them.

import { $, made, said } from "./elements.js";

const SHOWN = 50;

// Returns functions that reload and clear the list; calls changed() when one was replayed or dropped.
export function deadLetters(client, changed) {
  let shown = null;

  async function refresh() {
    try {
      const { items, next } = await client.get(`/v1/dead-letters?limit=${SHOWN}`);
      const seen = JSON.stringify([items, next]);
      if (seen === shown) return; // drawing the list again loses the focus
      shown = seen;
      draw(items, Boolean(next));
    } catch (error) {
      if (error.refuses) clear();
      shown = null;
      said($("dead-note"), error.message, true);
    }
  }

  function clear() {
    shown = null;
    draw([], false);
    said($("dead-state"), "");
  }

  function draw(letters, more) {
    said($("dead-count"), letters.length ? `${more ? "over " : ""}${letters.length}` : "");
    said($("dead-note"), letters.length ? "" : "None.");
    $("dead-reasons").replaceChildren(...[...counted(letters)].map(([reason, count]) => action(
      `Replay ${more ? "all" : count} ${reason}`,
      async () => `${(await client.post("/v1/dead-letters/replay", { reason })).replayed} replayed`,
    )));
    $("dead-letters").replaceChildren(...letters.map(entry));
  }

  function entry(letter) {
    const path = `/v1/dead-letters/${encodeURIComponent(letter.id)}`;
    const facts = [letter.error?.detail, `at ${letter.stage}, ${new Date(letter.died_at).toLocaleString()}`];
    return made("li", {},
      made("span", { textContent: `${letter.kind} · ${letter.subject.name}` }),
      made("span", { className: "tag dead", textContent: letter.reason ?? "dead" }),
      made("small", { textContent: facts.filter(Boolean).join(" · ") }),
      made("span", { className: "actions" },
        action("Replay", async () => { await client.post(`${path}/replay`); return "Replayed."; }),
        action("Drop", async () => { await client.remove(path); return "Dropped."; })));
  }

  function action(label, act) {
    const button = made("button", { type: "button", textContent: label });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        said($("dead-state"), await act());
      } catch (error) {
        button.disabled = false;
        said($("dead-state"), error.message, true);
      }
      refresh();
      changed();
    });
    return button;
  }

  return { refresh, clear };
}

function counted(letters) {
  const counts = new Map();
  for (const { reason } of letters) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return counts;
}
