/* Practice stripe.js: the part of Stripe's browser library that a checkout needs, against this sandbox. */
(() => {
  "use strict";

  const ORIGIN = new URL(document.currentScript.src).origin;
  const BASE = `${ORIGIN}/stripe`;
  const FRAME_TITLE = "Secure payment input frame";

  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IntegrationError";
    }
  }

  function demand(truth, message) {
    if (!truth) throw new IntegrationError(message);
  }

  function encode(value, name, into) {
    if (value === null || value === undefined) return into;
    if (typeof value !== "object") into.append(name, String(value));
    else for (const [key, inner] of Object.entries(value)) encode(inner, name ? `${name}[${key}]` : key, into);
    return into;
  }

  async function call(method, path, fields) {
    const form = encode(fields, "", new URLSearchParams());
    const address = `${BASE}/v1${path}`;
    const request = method === "GET" ? fetch(`${address}?${form}`) : fetch(address, { method, body: form });
    try {
      const answer = await (await request).json();
      return answer.error ? { error: answer.error } : { value: answer };
    } catch {
      return { error: { type: "api_connection_error", message: "We could not reach the payment service. Please try again." } };
    }
  }

  function isDark(appearance) {
    return (appearance || {}).theme === "night";
  }

  /* A billing detail that the Element was told never to ask for has to come with the call. */
  function promised(asked, given) {
    for (const detail of ["name", "email", "phone"]) {
      const silent = asked === "never" || asked?.[detail] === "never";
      demand(!silent || given?.[detail] !== undefined, `fields.billingDetails.${detail} is "never": pass it as params.payment_method_data.billing_details.${detail}.`);
    }
  }

  /* One Payment Element: an iframe of the sandbox's, spoken to through a private port. */
  class PaymentElement {
    constructor(elements, options) {
      this.elements = elements;
      this.options = options || {};
      this.listeners = new Map();
      this.waiting = new Map();
      this.count = 0;
      this.frame = null;
      this.ready = new Promise((resolve) => { this.becomeReady = resolve; });
    }

    mount(target) {
      const node = typeof target === "string" ? document.querySelector(target) : target;
      demand(node, `No element fits the selector ${target}.`);
      demand(!this.frame, "This Element is mounted already.");
      const frame = document.createElement("iframe");
      frame.title = FRAME_TITLE;
      frame.src = `${BASE}/js/element?parent=${encodeURIComponent(location.origin)}`;
      frame.allow = "payment *";
      Object.assign(frame.style, { border: "0", display: "block", width: "100%", height: "220px", background: "transparent", colorScheme: isDark(this.elements.options.appearance) ? "dark" : "light" });
      frame.addEventListener("load", () => this.greet());
      frame.addEventListener("error", () => this.emit("loaderror", { elementType: "payment", error: { type: "api_connection_error", message: "The payment fields could not be loaded." } }));
      node.replaceChildren(frame);
      this.frame = frame;
      return this;
    }

    greet() {
      if (!this.frame) return;
      const channel = new MessageChannel();
      this.port = channel.port1;
      this.port.onmessage = (message) => this.hear(message.data);
      const { elements } = this;
      const settings = { key: elements.key, options: elements.options, clientSecret: elements.options.clientSecret, element: this.options };
      this.frame.contentWindow.postMessage({ practiceStripe: "init", settings: JSON.parse(JSON.stringify(settings)) }, ORIGIN, [channel.port2]);
    }

    hear(message) {
      if (message.answer !== undefined) {
        this.waiting.get(message.answer)?.(message.value);
        this.waiting.delete(message.answer);
      } else if (message.event === "height") {
        if (this.frame) this.frame.style.height = `${message.value}px`;
      } else {
        if (message.event === "ready") this.becomeReady();
        this.emit(message.event, { elementType: "payment", ...message.value });
      }
    }

    async ask(what, value) {
      demand(this.frame, "The Payment Element is not mounted.");
      await this.ready;
      const number = ++this.count;
      return new Promise((resolve) => {
        this.waiting.set(number, resolve);
        this.port.postMessage({ ask: what, number, value: value === undefined ? null : JSON.parse(JSON.stringify(value)) });
      });
    }

    tell(what, value) {
      if (this.frame) this.ask(what, value);
    }

    on(event, listener) {
      if (!this.listeners.has(event)) this.listeners.set(event, new Set());
      this.listeners.get(event).add(listener);
      return this;
    }

    once(event, listener) {
      const wrapped = (value) => { this.off(event, wrapped); listener(value); };
      return this.on(event, wrapped);
    }

    off(event, listener) {
      if (listener) this.listeners.get(event)?.delete(listener);
      else this.listeners.delete(event);
      return this;
    }

    emit(event, value) {
      for (const listener of this.listeners.get(event) || []) listener(value);
    }

    update(options) {
      Object.assign(this.options, options);
      this.tell("update", { element: this.options });
      return this;
    }

    focus() { this.tell("focus"); return this; }
    blur() { this.tell("blur"); return this; }
    clear() { this.tell("clear"); return this; }
    collapse() { return this; }

    unmount() {
      this.port?.close();
      this.frame?.remove();
      this.frame = null;
      this.ready = new Promise((resolve) => { this.becomeReady = resolve; });
      return this;
    }

    destroy() {
      this.unmount();
      this.elements.forget(this);
      return this;
    }
  }

  class Elements {
    constructor(key, options) {
      this.key = key;
      this.options = { ...options };
      this.element = null;
      this.submitted = false;
      if (!this.options.clientSecret) {
        const { mode, currency, amount } = this.options;
        demand(["payment", "setup", "subscription"].includes(mode), "elements() needs a clientSecret, or a mode of payment or setup.");
        demand(mode === "setup" || /^[a-z]{3}$/.test(currency || ""), "elements() needs a currency in lower case.");
        demand(mode !== "payment" || (Number.isInteger(amount) && amount > 0), "elements() needs an amount: a positive integer in minor units.");
      }
    }

    create(type, options) {
      demand(type === "payment", `Practice has no Element of the type ${type}.`);
      demand(!this.element, "This Elements group has a Payment Element already.");
      this.element = new PaymentElement(this, options);
      return this.element;
    }

    getElement(type) {
      return type === "payment" ? this.element : null;
    }

    forget() {
      this.element = null;
      this.submitted = false;
    }

    update(options) {
      Object.assign(this.options, options);
      if (this.element?.frame && options.appearance) this.element.frame.style.colorScheme = isDark(options.appearance) ? "dark" : "light";
      this.element?.tell("update", { options: this.options });
    }

    async fetchUpdates() {
      return {};
    }

    async submit() {
      demand(this.element, "elements.submit() needs a Payment Element.");
      const found = await this.element.ask("validate");
      this.submitted = !found.error;
      return found;
    }
  }

  /* A full-page dialog with the bank's question; resolves when the bank is done with the payer. */
  function challenge(address) {
    return new Promise((resolve) => {
      const dialog = document.createElement("dialog");
      dialog.setAttribute("aria-label", "3D Secure");
      Object.assign(dialog.style, { width: "100vw", height: "100dvh", maxWidth: "100vw", maxHeight: "100dvh", margin: "0", padding: "0", border: "0", background: "rgb(10 14 22 / .6)" });
      const frame = document.createElement("iframe");
      frame.title = "3D Secure";
      frame.src = address;
      Object.assign(frame.style, { width: "100%", height: "100%", border: "0", background: "transparent", colorScheme: "light dark" });
      const hear = (message) => {
        if (message.origin !== ORIGIN || message.source !== frame.contentWindow || message.data?.practiceStripe !== "challenge-done") return;
        window.removeEventListener("message", hear);
        dialog.close();
        dialog.remove();
        resolve();
      };
      window.addEventListener("message", hear);
      dialog.addEventListener("cancel", (event) => event.preventDefault());
      dialog.append(frame);
      document.body.append(dialog);
      dialog.showModal();
      frame.focus();
    });
  }

  class Stripe {
    constructor(key, options) {
      demand(typeof key === "string" && key.startsWith("pk_"), "Stripe() needs a publishable key.");
      this.key = key;
      this.options = options || {};
    }

    elements(options) {
      return new Elements(this.key, { locale: this.options.locale, ...options });
    }

    async createConfirmationToken({ elements, params } = {}) {
      demand(elements, "createConfirmationToken() needs elements.");
      demand(elements.submitted, "elements.submit() must be called, without an error, before createConfirmationToken().");
      promised(elements.element.options.fields?.billingDetails, params?.payment_method_data?.billing_details);
      const found = await elements.element.ask("token", params || {});
      return found.error ? { error: found.error } : { confirmationToken: found.value };
    }

    async createRadarSession() {
      const found = await call("POST", "/radar/session", { key: this.key });
      return found.error ? { error: found.error } : { radarSession: { id: found.value.id } };
    }

    async retrieve(secret) {
      const kind = secret.startsWith("seti_") ? "setup_intents" : "payment_intents";
      const id = secret.split("_secret_")[0];
      return call("GET", `/${kind}/${id}`, { key: this.key, client_secret: secret });
    }

    static named(found) {
      const intent = found.value;
      return intent.object === "setup_intent" ? { setupIntent: intent } : { paymentIntent: intent };
    }

    async retrievePaymentIntent(clientSecret) {
      const found = await this.retrieve(clientSecret);
      return found.error ? { error: found.error } : Stripe.named(found);
    }

    async retrieveSetupIntent(clientSecret) {
      return this.retrievePaymentIntent(clientSecret);
    }

    async handleNextAction({ clientSecret } = {}) {
      demand(clientSecret, "handleNextAction() needs a clientSecret.");
      const found = await this.retrieve(clientSecret);
      if (found.error) return { error: found.error };
      demand(found.value.status === "requires_action", `handleNextAction() needs a status of requires_action, not ${found.value.status}.`);
      return this.follow(found, clientSecret);
    }

    async follow(found, clientSecret) {
      const next = found.value.next_action;
      if (found.value.status !== "requires_action" || !next) return Stripe.named(found);
      if (next.type === "redirect_to_url") {
        window.location.assign(next.redirect_to_url.url);
        return new Promise(() => {});
      }
      await challenge(next.use_stripe_sdk.stripe_js);
      const after = await this.retrieve(clientSecret);
      if (after.error) return { error: after.error };
      const failed = after.value.last_payment_error || after.value.last_setup_error;
      if (after.value.status === "requires_payment_method" && failed) {
        return { error: { ...failed, [after.value.object]: after.value } };
      }
      return Stripe.named(after);
    }

    async confirm({ elements, clientSecret, confirmParams = {}, redirect = "always" } = {}) {
      const secret = clientSecret || elements?.options.clientSecret;
      demand(secret, "confirm needs a clientSecret.");
      demand(redirect === "if_required" || confirmParams.return_url, "confirmParams.return_url is needed unless redirect is if_required.");
      const fields = { key: this.key, client_secret: secret, use_stripe_sdk: true, return_url: confirmParams.return_url };
      if (elements) {
        if (!elements.submitted) {
          const checked = await elements.submit();
          if (checked.error) return { error: checked.error };
        }
        const token = await this.createConfirmationToken({ elements, params: confirmParams });
        if (token.error) return token;
        fields.confirmation_token = token.confirmationToken.id;
      } else {
        fields.payment_method = confirmParams.payment_method;
      }
      const kind = secret.startsWith("seti_") ? "setup_intents" : "payment_intents";
      const found = await call("POST", `/${kind}/${secret.split("_secret_")[0]}/confirm`, fields);
      if (found.error) return { error: found.error };
      const result = await this.follow(found, secret);
      if (result.error || redirect === "if_required") return result;
      return this.goBack(result, confirmParams.return_url);
    }

    goBack(result, address) {
      const intent = result.paymentIntent || result.setupIntent;
      const target = new URL(address, location.href);
      target.searchParams.set(intent.object, intent.id);
      target.searchParams.set(`${intent.object}_client_secret`, intent.client_secret);
      target.searchParams.set("redirect_status", "succeeded");
      window.location.assign(target);
      return new Promise(() => {});
    }

    confirmPayment(options) { return this.confirm(options); }
    confirmSetup(options) { return this.confirm(options); }
    registerAppInfo() {}
  }

  const create = (key, options) => new Stripe(key, options);
  create.version = "practice";
  window.Stripe = create;
})();
