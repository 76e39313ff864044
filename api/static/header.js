// What stands above every page: the key that calls are made with, and whether the service is well.

import { Client } from "./client.js";
import { $ } from "./elements.js";

// A client with the key that is typed in.
export function connected() {
  $("key").value = sessionStorage.getItem("key") || "";
  return new Client(() => $("key").value.trim());
}

// Calls refresh() at once, with each other key, and every so many seconds while the page is looked at and the
// API takes reads. Each call to /v1 counts for the key's rate limit. clear() empties what a former key has read.
export function keepFresh(client, refresh, every, clear) {
  $("key").addEventListener("change", () => {
    sessionStorage.setItem("key", $("key").value.trim());
    clear();
    refresh();
  });
  refresh();
  setInterval(() => document.hidden || client.held || refresh(), 1000 * every);
}

// Which is for everybody: no key is sent, so a wrong one hides nothing.
export async function showHealth() {
  const away = () => ({ status: "away", components: {} });
  const { status, version, components } = await new Client(() => "").get("/health").catch(away);
  const missing = Object.keys(components).filter((name) => !components[name]);
  $("health").className = `health ${status}`;
  $("health").textContent = missing.length ? `${status}: ${missing.join(", ")}` : `${status}${version ? ` · ${version}` : ""}`;
}
