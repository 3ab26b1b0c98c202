// Settings of payers: reads a card or bank account with Stripe's Payment Element, has our server save it.
"use strict";

function addPage(form) {
  const stripe = Stripe(form.dataset.publishableKey);
  const currency = form.dataset.currency ? { currency: form.dataset.currency } : {};
  const elements = stripe.elements({ mode: "setup", setupFutureUsage: "off_session", paymentMethodTypes: JSON.parse(form.dataset.types), appearance: appearance(), ...currency });
  mountElement(elements);

  whenSubmitted(form, document.getElementById("method-button"), async () => {
    show("");
    const { error } = await elements.submit();
    if (error || unticked(form)) return;
    const { name, email, phone } = form.dataset;
    const data = await tokenised(form, stripe, elements, { name, email, phone });
    if (!data) return;
    const answer = await post(form.action, data);
    if (termsChanged(answer)) return;
    if (answer.status === "invalid") return show("Please check what you typed and try again.");
    await follow(answer, stripe);
  });
}

const form = document.getElementById("method-form");
const wait = document.getElementById("method-wait");
if (form) addPage(form);
if (wait) waitPage(wait);
