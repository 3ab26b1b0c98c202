// The console's few conveniences: copying, closing menus, dialogs that trap focus. Every page works without them.

function selectedText(source) {
  return "value" in source ? source.value : source.textContent.trim();
}

async function copyText(source) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(selectedText(source));
    return true;
  }
  if ("select" in source) source.select();
  else window.getSelection().selectAllChildren(source);
  return document.execCommand("copy");
}

function offerCopying(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

async function onCopy(button) {
  const source = document.querySelector(button.dataset.copy);
  const done = await copyText(source).catch(() => false);
  const said = button.parentElement.querySelector("[role=status]");
  said.textContent = done ? "Copied" : "Select the text and copy it";
  setTimeout(() => { said.textContent = ""; }, 4000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) onCopy(button);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

for (const dialog of document.querySelectorAll("dialog[open][data-leave]")) {
  dialog.removeAttribute("open");
  dialog.showModal();
  dialog.addEventListener("close", () => location.assign(dialog.dataset.leave));
}

// What a page asks for by itself is no sign that somebody is there: sessions end after too long without one.
document.addEventListener("htmx:configRequest", (event) => {
  if (!event.detail.triggeringEvent) event.detail.headers["X-Background"] = "1";
});

// A panel asked after the session ended is answered with the sign-in page: show it whole, not inside the panel.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== pathInfo.requestPath.split("?")[0]) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

offerCopying(document);
document.addEventListener("htmx:load", (event) => offerCopying(event.target));

// After an error of the server: begin where it stands.
const wrong = document.querySelector("[aria-invalid=true]") || document.querySelector(".errorlist.nonfield");
if (wrong) {
  if (!wrong.matches("input, select, textarea")) wrong.tabIndex = -1;
  wrong.focus();
}

// A part that was asked for anew takes the place of what held the focus: go on at its heading.
let refocused = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  refocused = detail.target.contains(document.activeElement) ? detail.target.id : null;
});
document.addEventListener("htmx:afterSettle", () => {
  const part = refocused && document.activeElement === document.body && document.getElementById(refocused);
  refocused = null;
  const heading = part && (part.querySelector("h1, h2, h3") || part);
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus();
});
