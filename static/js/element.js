// What every page with Stripe's Payment Element shares: its look, asking our server, following the answer, waiting.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");

// A custom property holds light-dark(a, b); Stripe's frame needs the one that is in force.
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function appearance() {
  const names = { colorPrimary: "--brand", colorBackground: "--card", colorText: "--ink", colorTextSecondary: "--ink-soft", colorDanger: "--bad" };
  const variables = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, colour(name)]));
  const fontFamily = getComputedStyle(document.documentElement).getPropertyValue("--font").trim();
  return { theme: dark.matches ? "night" : "stripe", variables: { ...variables, fontFamily, borderRadius: "6px" } };
}

// Stripe's script is loaded beside ours and may come late or never; nothing but what needs it waits for it.
const stripeLoaded = new Promise((resolve, reject) => {
  const tag = document.getElementById("stripe-js");
  if (!tag || window.Stripe) return resolve();
  tag.addEventListener("load", resolve);
  tag.addEventListener("error", reject);
});
stripeLoaded.catch(() => {}); // who needs it says that it did not come

function openStripe(key) {
  const opened = stripeLoaded.then(() => Stripe(key));
  opened.catch(() => {});
  return opened;
}

// What `opened` gives, or an error when that takes longer than somebody waits.
function soon(opened, most = 8000) {
  return Promise.race([opened, new Promise((_, fail) => setTimeout(fail, most))]);
}

// What Stripe saw of this browser, for its fraud rules; a payment goes without where it does not come soon.
async function radarSession(opened) {
  try {
    const { radarSession: found } = await soon(opened.then((stripe) => stripe.createRadarSession()), 3000);
    return found ? found.id : "";
  } catch {
    return "";
  }
}

// Put the Payment Element onto the page; name, e-mail and phone come with the form.
function mountElement(elements, billing) {
  const element = elements.create("payment", {
    layout: "tabs",
    fields: { billingDetails: { name: "never", email: "never", phone: "never" } },
    defaultValues: { billingDetails: billing },
  });
  const box = document.getElementById("payment-element");
  element.on("ready", () => { box.dataset.ready = ""; });
  element.on("loaderror", sayThatItIsLate);
  element.mount(box.querySelector("[data-mount]"));
  dark.addEventListener("change", () => elements.update({ appearance: appearance() }));
  return element;
}

// The page's style sheet says it too after some seconds, for when not even this script was loaded.
function sayThatItIsLate() {
  document.getElementById("payment-element").dataset.late = "";
}

function show(problem, link) {
  const box = document.querySelector("[data-problem]");
  box.textContent = problem;
  box.hidden = !problem;
  if (link) {
    const way = document.createElement("a");
    way.href = link.url;
    way.textContent = link.label;
    box.append(" ", way);
  }
  if (problem) box.focus();
}

// Whether a text that applies is not ticked; then say so, at the first one.
function unticked(form) {
  const boxes = [...form.querySelectorAll("[data-terms-for]:not([hidden]) input[type=checkbox]")];
  boxes.forEach((box) => box.setAttribute("aria-invalid", String(!box.checked)));
  const box = boxes.find((one) => !one.checked);
  const problem = document.getElementById("consent-error");
  problem.hidden = !box;
  if (!box) return false;
  problem.textContent = "Please read the terms and accept them.";
  box.focus();
  return true;
}

// Where the server says that something else has to be accepted, show what stands now.
function termsChanged(answer) {
  const errors = answer.errors && answer.errors.accepted_terms;
  if (!errors) return false;
  if (answer.consent) document.getElementById("consent").outerHTML = answer.consent;
  const problem = document.getElementById("consent-error");
  problem.textContent = errors[0].message;
  problem.hidden = false;
  problem.focus();
  return true;
}

async function post(url, body) {
  const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const response = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": csrf, Accept: "application/json" } });
  if (response.redirected && response.url.includes("/accounts/")) {
    const link = { url: `/accounts/login/?next=${encodeURIComponent(location.pathname + location.search)}`, label: "Sign in" };
    return { status: "refused", message: "You are no longer signed in, so nothing was done. Sign in again to go on.", link };
  }
  if (!(response.headers.get("Content-Type") || "").includes("json")) throw new Error("no answer");
  return response.json();
}

// The form with Stripe's token of what was typed, or nothing where Stripe refuses it.
async function tokenised(form, stripe, elements, billing) {
  const made = await stripe.createConfirmationToken({ elements, params: { payment_method_data: { billing_details: billing } } });
  if (made.error) {
    show(made.error.message);
    return null;
  }
  const data = new FormData(form);
  data.set("confirmation_token", made.confirmationToken.id);
  return data;
}

// Follow the server's answer: to the next page, to the payer's bank, or show a message.
async function follow(answer, opened) {
  if (answer.status === "requires_action" && answer.client_secret) {
    const stripe = await soon(opened);
    await stripe.handleNextAction({ clientSecret: answer.client_secret });
    const { client_secret: _, ...checked } = await post(answer.attempt);
    const here = document.querySelector("form[data-page]");
    const page = here ? here.dataset.page : location.href;
    return follow(checked.status === "requires_action" ? { next: page, ...checked } : checked, opened);
  }
  if (answer.next) {
    location.assign(answer.next);
    return new Promise(() => {});
  }
  show(answer.message || "That did not work. Please reload this page.", answer.link);
  return answer;
}

// Send the form once at a time. When the answer is lost the work may be done, so the next page shows it.
function whenSubmitted(form, button, send) {
  const setBusy = (value) => {
    form.dataset.busy = value;
    button.setAttribute("aria-disabled", String(value));
    button.querySelector(".spinner").hidden = !value;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.busy === "true") return;
    setBusy(true);
    try {
      await send();
    } catch {
      location.assign(form.dataset.page);
      return;
    }
    setBusy(false);
  });
}

// An attempt or setup that is live: look at it now and then, and go to the bank when the payer asks to. Asking our own
// server needs nothing of Stripe's, and the bank may have its answer from another window.
function waitPage(box) {
  const again = box.querySelector("[data-continue]");
  const bank = { isOpen: false };
  if (again) again.addEventListener("click", () => continueWithBank(box, bank));
  lookNowAndThen(box, again ? 15000 : 1500, bank);
}

async function continueWithBank(box, bank) {
  const opened = openStripe(box.dataset.publishableKey);
  show("");
  bank.isOpen = true;
  if (!(await soon(opened).catch(() => null))) {
    bank.isOpen = false;
    return show("Your bank's page could not be opened, because Stripe's script did not load. Load this page again, or use another method.");
  }
  try {
    await follow(await post(box.dataset.check), opened);
    location.reload();
  } catch {
    bank.isOpen = false;
    show("There is no connection to our server. Please try again.");
  }
}

function lookNowAndThen(box, pause, bank) {
  let failures = 0;
  const look = async () => {
    try {
      const answer = bank.isOpen ? null : await post(box.dataset.check);
      if (answer && !bank.isOpen && answer.status !== box.dataset.state) return location.assign(answer.next || location.href);
      if (failures) show("");
      failures = 0;
    } catch {
      failures += 1;
      if (failures === 3) show("There is no connection to our server. This page goes on asking; you can also load it again.");
    }
    pause = Math.min(pause * 1.3, 15000);
    setTimeout(look, pause);
  };
  setTimeout(look, pause);
}
