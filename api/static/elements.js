// Small pieces of a page.

export const $ = (id) => document.getElementById(id);

export function made(name, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children);
  return element;
}

export function said(element, text, bad = false) {
  element.textContent = text;
  element.classList.toggle("bad", bad);
}
