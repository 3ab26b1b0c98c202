// Pay Now: mounts Stripe's Payment Element, asks our server to charge once, follows the answer.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const csrf = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

// A custom property holds light-dark(a, b); Stripe's frame needs the one that is in force.
function token(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function appearance() {
  return {
    theme: dark.matches ? "night" : "stripe",
    variables: {
      colorPrimary: token("--brand"),
      colorBackground: token("--card"),
      colorText: token("--ink"),
      colorTextSecondary: token("--ink-soft"),
      colorDanger: token("--bad"),
      fontFamily: css("--font"),
      borderRadius: "6px",
    },
  };
}

async function post(url, body) {
  const response = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": csrf(), Accept: "application/json" } });
  if (response.status === 403) {
    return { status: "blocked", message: "Your browser blocked a cookie that protects this payment, so nothing was charged. Allow cookies and reload this page." };
  }
  if (!(response.headers.get("Content-Type") || "").includes("json")) throw new Error("no answer");
  return response.json();
}

function show(problem) {
  const box = document.getElementById("pay-problem");
  box.textContent = problem;
  box.hidden = !problem;
  if (problem) box.focus();
}

// Follow what the server says of an attempt: on to the next page, 3-D Secure, or a sentence.
async function follow(answer, stripe) {
  if (answer.status === "requires_action" && answer.client_secret) {
    const result = await stripe.handleNextAction({ clientSecret: answer.client_secret });
    const checked = await post(answer.attempt);
    if (result.error && checked.status === "requires_action") return location.assign(checked.next || location.href);
    return follow(checked.status === "requires_action" ? { ...checked, client_secret: "" } : checked, stripe);
  }
  if (answer.next) {
    location.assign(answer.next);
    return new Promise(() => {});
  }
  show(answer.message || "This can't be paid now.");
}

function watchAmount(form, elements) {
  const shown = document.querySelectorAll("[data-amount-shown]");
  form.addEventListener("change", (event) => {
    if (event.target.name !== "amount") return;
    shown.forEach((node) => { node.textContent = event.target.dataset.shown; });
    elements.update({ amount: Number(event.target.value) });
  });
}

function showErrors(form, errors) {
  form.querySelectorAll("[data-error-for]").forEach((node) => {
    const found = errors[node.dataset.errorFor];
    const input = form.elements[node.dataset.errorFor];
    if (!input) return;
    node.textContent = found ? found[0].message : "";
    node.hidden = !found;
    input.setAttribute("aria-invalid", found ? "true" : "false");
  });
  const first = form.querySelector("[aria-invalid=true]");
  if (first) first.focus();
  return Boolean(first);
}

function missing(form) {
  const errors = {};
  for (const input of form.querySelectorAll("input[required]")) {
    if (!input.value.trim()) errors[input.name] = [{ message: "Please fill this in." }];
    else if (!input.checkValidity()) errors[input.name] = [{ message: "Write an e-mail address such as name@example.com." }];
  }
  return errors;
}

// What the form says now: a kept method, or the kind of the new one and whether it is saved.
function chosen(form) {
  const data = new FormData(form);
  return { kept: data.get("saved_method") || "", method: data.get("method") || "card", saves: Boolean(data.get("saves")) };
}

// Show the terms of what is chosen, and only those; hidden ones are not sent.
function showTerms(form) {
  const { kept, method, saves } = chosen(form);
  form.querySelectorAll("[data-terms-for]").forEach((node) => {
    const fits = !kept && node.dataset.termsFor === method && Boolean(node.dataset.termsSaves) === saves;
    node.hidden = !fits;
    node.querySelector("input").disabled = !fits;
  });
}

function unticked(form) {
  const box = form.querySelector("[data-terms-for]:not([hidden]) input");
  if (!box || box.checked) return false;
  show("Please read the terms and accept them.");
  box.focus();
  return true;
}

function elementOptions(form) {
  const types = Object.keys(JSON.parse(form.dataset.types || '{"card": "card"}'));
  const common = { currency: form.dataset.currency, paymentMethodTypes: types, appearance: appearance() };
  if (form.dataset.mode === "setup") return { ...common, mode: "setup" };
  const amount = Number(new FormData(form).get("amount"));
  return { ...common, mode: "payment", amount, ...(chosen(form).saves ? { setupFutureUsage: "off_session" } : {}) };
}

function watchChoices(form, elements, element) {
  const types = JSON.parse(form.dataset.types || '{"card": "card"}');
  const fresh = document.getElementById("new-method");
  element.on("change", (event) => {
    const method = types[event.value && event.value.type];
    if (method && form.elements.method) { form.elements.method.value = method; showTerms(form); }
  });
  form.addEventListener("change", (event) => {
    if (event.target.name === "saved_method" && fresh) fresh.hidden = Boolean(chosen(form).kept);
    if (event.target.name === "saves" && form.dataset.mode === "payment") {
      elements.update({ setupFutureUsage: chosen(form).saves ? "off_session" : null });
    }
    showTerms(form);
  });
  if (fresh) fresh.hidden = Boolean(chosen(form).kept);
  showTerms(form);
}

// One click and a confirmation: what is paid, and with what.
function confirmed(form) {
  const dialog = document.getElementById("pay-confirm");
  dialog.querySelector("[data-confirm-method]").textContent = form.querySelector("[name=saved_method]:checked").dataset.name;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function payForm(form) {
  const stripe = Stripe(form.dataset.publishableKey);
  const elements = stripe.elements(elementOptions(form));
  const element = elements.create("payment", { layout: "tabs", fields: { billingDetails: { name: "never", email: "never", phone: "never" } } });
  const box = document.getElementById("payment-element");
  element.on("ready", () => { box.dataset.ready = ""; });
  element.on("loaderror", () => show("Stripe's secure form could not be loaded. Check your connection and reload the page."));
  element.mount(box);
  if (form.dataset.mode !== "setup") watchAmount(form, elements);
  watchChoices(form, elements, element);
  dark.addEventListener("change", () => elements.update({ appearance: appearance() }));

  const button = document.getElementById("pay-button");
  let busy = false;
  const setBusy = (value) => {
    busy = value;
    button.setAttribute("aria-disabled", String(value));
    button.querySelector(".spinner").hidden = !value;
  };

  // The form with Stripe's token of what was typed; nothing where something is missing.
  async function withToken() {
    const { error } = await elements.submit();
    if (showErrors(form, missing(form)) || error || unticked(form)) return null;
    const data = new FormData(form);
    const billing = { name: data.get("name"), email: data.get("email"), phone: data.get("phone") };
    const made = await stripe.createConfirmationToken({ elements, params: { payment_method_data: { billing_details: billing } } });
    if (made.error) {
      show(made.error.message);
      return null;
    }
    data.set("confirmation_token", made.confirmationToken.id);
    return data;
  }

  async function pay() {
    show("");
    const { kept } = chosen(form);
    const data = kept ? ((await confirmed(form)) ? new FormData(form) : null) : await withToken();
    if (!data) return;
    if (kept) data.delete("saves");
    const answer = await post(form.action, data);
    if (answer.status === "invalid") {
      if (!showErrors(form, answer.errors)) show("Please check what you typed and try again.");
      return;
    }
    await follow(answer, stripe);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    try {
      await pay();
    } catch {
      // The answer was lost, so the charge may have been made: the page that knows is the next one.
      location.assign(form.dataset.page);
      return;
    }
    setBusy(false);
  });
}

function waitPage(box) {
  const stripe = Stripe(box.dataset.publishableKey);
  const again = box.querySelector("[data-continue]");
  if (again) {
    again.addEventListener("click", async () => {
      try {
        await follow(await post(box.dataset.check), stripe);
      } catch {
        show("There is no connection to our server. Please try again.");
      }
    });
    return;
  }
  let pause = 1500;
  const ask = async () => {
    try {
      const answer = await post(box.dataset.check);
      if (answer.status !== "processing") return location.assign(answer.next || location.href);
    } catch { /* the next round asks again */ }
    pause = Math.min(pause * 1.3, 15000);
    setTimeout(ask, pause);
  };
  setTimeout(ask, pause);
}

const form = document.getElementById("pay-form");
const wait = document.getElementById("pay-wait");
if (form) payForm(form);
if (wait) waitPage(wait);
