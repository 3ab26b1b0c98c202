// Settings of payers: reads a card or bank account with Stripe's Payment Element, has our server save it, follows the answer.

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

async function post(url, body) {
  const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const response = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": csrf, Accept: "application/json" } });
  if (!(response.headers.get("Content-Type") || "").includes("json")) throw new Error("no answer");
  return response.json();
}

function show(problem) {
  const box = document.getElementById("method-problem");
  box.textContent = problem;
  box.hidden = !problem;
  if (problem) box.focus();
}

async function follow(answer, stripe) {
  if (answer.status === "requires_action" && answer.client_secret) {
    await stripe.handleNextAction({ clientSecret: answer.client_secret });
    const { client_secret: _, ...checked } = await post(answer.attempt);
    return follow({ next: location.href, ...checked }, stripe);
  }
  if (answer.message) return show(answer.message);
  location.assign(answer.next || location.href);
  return new Promise(() => {});
}

function addPage(form) {
  const stripe = Stripe(form.dataset.publishableKey);
  const currency = form.dataset.currency ? { currency: form.dataset.currency } : {};
  const elements = stripe.elements({ mode: "setup", setupFutureUsage: "off_session", paymentMethodTypes: JSON.parse(form.dataset.types), appearance: appearance(), ...currency });
  const element = elements.create("payment", { layout: "tabs", fields: { billingDetails: { name: "never", email: "never", phone: "never" } } });
  const box = document.getElementById("payment-element");
  element.on("ready", () => { box.dataset.ready = ""; });
  element.on("loaderror", () => show("Stripe's secure form could not be loaded. Check your connection and reload the page."));
  element.mount(box);
  dark.addEventListener("change", () => elements.update({ appearance: appearance() }));

  const tick = form.elements.accepted_terms;
  const missing = document.getElementById("terms-error");
  const isAccepted = () => {
    missing.hidden = tick.checked;
    tick.setAttribute("aria-invalid", String(!tick.checked));
    if (!tick.checked) tick.focus();
    return tick.checked;
  };
  tick.addEventListener("change", isAccepted);

  async function save() {
    show("");
    const { error } = await elements.submit();
    if (error || !isAccepted()) return;
    const { name, email, phone } = form.dataset;
    const made = await stripe.createConfirmationToken({ elements, params: { payment_method_data: { billing_details: { name, email, phone } } } });
    if (made.error) return show(made.error.message);
    const data = new FormData(form);
    data.set("confirmation_token", made.confirmationToken.id);
    const answer = await post(form.action, data);
    if (answer.status === "invalid") return show("Please check what you typed and try again.");
    await follow(answer, stripe);
  }

  const button = document.getElementById("method-button");
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    const setBusy = (value) => {
      busy = value;
      button.setAttribute("aria-disabled", String(value));
      button.querySelector(".spinner").hidden = !value;
    };
    setBusy(true);
    try {
      await save();
    } catch {
      // The answer was lost, so it may have been saved: the page that knows is the next one.
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
    again.addEventListener("click", () => post(box.dataset.check).then((answer) => follow(answer, stripe)).catch(() => show("There is no connection to our server. Please try again.")));
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

const form = document.getElementById("method-form");
const wait = document.getElementById("method-wait");
if (form) addPage(form);
if (wait) waitPage(wait);
