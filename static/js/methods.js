// Settings of payers: reads a card or bank account with Stripe's Payment Element, has our server save it.
"use strict";

function addPage(form) {
  const { name, email, phone, currency } = form.dataset;
  const opened = openStripe(form.dataset.publishableKey);
  let elements = null;
  opened.then((stripe) => {
    elements = stripe.elements({ mode: "setup", setupFutureUsage: "off_session", paymentMethodTypes: JSON.parse(form.dataset.types), appearance: appearance(), ...(currency ? { currency } : {}) });
    mountElement(elements, JSON.parse(form.dataset.billing || "{}"));
  }).catch(sayThatItIsLate);

  whenSubmitted(form, document.getElementById("method-button"), async () => {
    show("");
    if (!elements) return show("Stripe's secure form has not loaded yet, so nothing was saved. Wait a moment, or load this page again.");
    const { error } = await elements.submit();
    if (error || unticked(form)) return;
    const data = await tokenised(form, await opened, elements, { name, email, phone });
    if (!data) return;
    const answer = await post(form.action, data);
    if (termsChanged(answer)) return;
    if (answer.status === "invalid") return show("Please check what you typed and try again.");
    await follow(answer, opened);
  });
}

const form = document.getElementById("method-form");
const wait = document.getElementById("method-wait");
if (form) addPage(form);
if (wait) waitPage(wait);
