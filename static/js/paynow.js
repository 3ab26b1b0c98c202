// Pay Now: mounts Stripe's Payment Element, asks our server to charge once, follows the answer.
"use strict";

function watchAmount(form, update) {
  const shown = document.querySelectorAll("[data-amount-shown]");
  form.addEventListener("change", (event) => {
    if (event.target.name !== "amount") return;
    shown.forEach((node) => { node.textContent = event.target.dataset.shown; });
    if (form.dataset.mode !== "setup") update(Number(event.target.dataset.units));
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

// What the form holds now: a saved method, or the kind of the new one and whether it is saved.
function chosen(form) {
  const data = new FormData(form);
  return { saved: data.get("saved_method") || "", method: data.get("method") || "card", saves: Boolean(data.get("saves")) };
}

// Show what the choice means and its terms, and only those; hidden ones are not sent.
function showTerms(form) {
  const { saved, method, saves } = chosen(form);
  const choice = saved ? `saved-${saved}` : method + (saves ? "-save" : "");
  const amount = new FormData(form).get("amount") || "0";
  form.querySelectorAll("[data-terms-for]").forEach((node) => {
    const fits = node.dataset.termsFor.split(" ").includes(choice);
    node.hidden = !fits;
    node.querySelector("input").disabled = !fits;
  });
  form.querySelectorAll("[data-consent-for]").forEach((node) => {
    node.hidden = node.dataset.consentFor !== choice || node.dataset.consentAmount !== amount;
  });
}

function elementOptions(form) {
  const types = Object.keys(JSON.parse(form.dataset.types || '{"card": "card"}'));
  const common = { currency: form.dataset.currency, paymentMethodTypes: types, appearance: appearance() };
  if (form.dataset.mode === "setup") return { ...common, mode: "setup" };
  // In the gateway's units, which are not ours in every currency.
  const amount = Number(form.querySelector("[name=amount]:checked, [name=amount][type=hidden]").dataset.units);
  return { ...common, mode: "payment", amount, ...(chosen(form).saves ? { setupFutureUsage: "off_session" } : {}) };
}

function watchElement(form, elements, element) {
  const types = JSON.parse(form.dataset.types || '{"card": "card"}');
  element.on("change", (event) => {
    const method = types[event.value && event.value.type];
    if (method && form.elements.method) { form.elements.method.value = method; showTerms(form); }
  });
  form.addEventListener("change", (event) => {
    if (event.target.name !== "saves" || form.dataset.mode !== "payment") return;
    elements.update({ setupFutureUsage: chosen(form).saves ? "off_session" : null });
  });
}

function watchChoices(form) {
  const fresh = document.getElementById("new-method");
  const showChosen = () => {
    if (fresh) fresh.hidden = Boolean(chosen(form).saved);
    showTerms(form);
  };
  form.addEventListener("change", showChosen);
  showChosen();
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
  const opened = openStripe(form.dataset.publishableKey);
  let elements = null;
  watchChoices(form);
  watchAmount(form, (amount) => elements && elements.update({ amount }));
  opened.then((stripe) => {
    elements = stripe.elements(elementOptions(form));
    watchElement(form, elements, mountElement(elements, JSON.parse(form.dataset.billing || "{}")));
  }).catch(sayThatItIsLate);

  // The form with Stripe's token of what was typed; nothing where something is missing.
  async function withToken() {
    if (!elements) {
      show("Stripe's secure form has not loaded yet, so nothing was charged. Wait a moment, or load this page again.");
      return null;
    }
    const { error } = await elements.submit();
    if (showErrors(form, missing(form)) || error || unticked(form)) return null;
    const typed = new FormData(form);
    return tokenised(form, await opened, elements, { name: typed.get("name"), email: typed.get("email"), phone: typed.get("phone") });
  }

  async function withSavedMethod() {
    if (unticked(form) || !(await confirmed(form))) return null;
    const data = new FormData(form);
    data.delete("saves");
    data.set("radar_session", await radarSession(opened));
    return data;
  }

  whenSubmitted(form, document.getElementById("pay-button"), async () => {
    show("");
    const data = chosen(form).saved ? await withSavedMethod() : await withToken();
    if (!data) return;
    const answer = await post(form.action, data);
    if (answer.status !== "invalid") return follow(answer, opened);
    if (termsChanged(answer)) return showTerms(form);
    if (!showErrors(form, answer.errors)) show(answer.message || "Please check what you typed and try again.");
  });
}

const form = document.getElementById("pay-form");
const wait = document.getElementById("pay-wait");
if (form) payForm(form);
if (wait) waitPage(wait);
