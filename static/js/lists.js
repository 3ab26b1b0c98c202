// Lists: addresses without what was left as it is, and keys that go through the rows. Everything works without them.

const KEYS = "lists.keys";
const form = document.getElementById("list-form");

form?.addEventListener("formdata", ({ formData }) => {
  const chosen = formData.getAll("columns").join(" ");
  if (chosen === form.dataset.defaults) formData.delete("columns");
  const sort = document.getElementById("list-sort");
  if (sort && formData.get("sort") === sort.dataset.default) formData.delete("sort");
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
});

// Somebody who dictates, or whose fingers slip, can switch single keys off; that is remembered on this device.
const usesKeys = document.querySelector("[data-list-keys]");
if (usesKeys) {
  usesKeys.parentElement.hidden = false;
  usesKeys.checked = localStorage.getItem(KEYS) !== "off";
  usesKeys.addEventListener("change", () => localStorage.setItem(KEYS, usesKeys.checked ? "on" : "off"));
}

function getLinks() {
  return [...document.querySelectorAll("[data-list] tbody th a")];
}

function move(step) {
  const links = getLinks();
  const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const next = links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)];
  next?.focus();
}

const ACTS = {
  "/": () => document.getElementById("search-q")?.focus(),
  j: () => move(1),
  k: () => move(-1),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [contenteditable]")) return;
  const isInList = event.target.closest("[data-list] tbody") !== null;
  const arrow = isInList && { ArrowDown: "j", ArrowUp: "k" }[event.key];
  const act = arrow ? ACTS[arrow] : usesKeys?.checked && ACTS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
