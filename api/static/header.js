// The header of every page: the API key, and the health of the service.

import { Client } from "./client.js";
import { $, made } from "./elements.js";

// A client with the key that is typed in.
export function connected() {
  $("key").value = sessionStorage.getItem("key") || "";
  return new Client(() => $("key").value.trim());
}

// Calls refresh() at once, when the key changes, and every so many seconds while the page is visible and the API
// takes reads: each call to /v1 counts for the key's rate limit. clear() removes what a former key has read.
export function keepFresh(client, refresh, every, clear) {
  $("key").addEventListener("change", () => {
    sessionStorage.setItem("key", $("key").value.trim());
    clear();
    refresh();
  });
  refresh();
  setInterval(() => document.hidden || client.held || refresh(), 1000 * every);
}

// Needs no key, and sends none, so that a wrong key does not hide it.
export async function showHealth() {
  const away = () => ({ status: "away", components: {} });
  const { status, version, components, flower_url: flower } = await new Client(() => "").get("/health").catch(away);
  const missing = Object.keys(components).filter((name) => !components[name]);
  $("health").className = `health ${status}`;
  $("health").textContent = missing.length ? `${status}: ${missing.join(", ")}` : `${status}${version ? ` · ${version}` : ""}`;
  if (flower) linkTo("Flower", flower);
}

// Adds a link to what is elsewhere, once.
function linkTo(name, url) {
  const nav = document.querySelector("header nav");
  if (![...nav.children].some(({ textContent }) => textContent === name)) nav.append(" ", made("a", { href: url, textContent: name }));
}
