/* Inside the frame: the fields of a card or a bank account. What is typed here goes to the sandbox only. */
(() => {
  "use strict";

  const parentOrigin = new URLSearchParams(location.search).get("parent");
  const form = document.getElementById("element");
  const holder = document.getElementById("fields");
  const kindsBox = document.getElementById("kinds");
  const terms = document.getElementById("terms");
  const state = { port: null, key: "", options: {}, element: {}, kind: "card", kinds: ["card"], last: "" };

  const COUNTRIES = { AU: "Australia", AT: "Austria", BE: "Belgium", CA: "Canada", DE: "Germany", DK: "Denmark", ES: "Spain", FI: "Finland", FR: "France", GB: "United Kingdom", IE: "Ireland", IT: "Italy", NL: "Netherlands", NO: "Norway", NZ: "New Zealand", PT: "Portugal", SE: "Sweden", SG: "Singapore", US: "United States", ZA: "South Africa" };
  const BY_CURRENCY = { usd: "us_bank_account", aud: "au_becs_debit", nzd: "nz_bank_account", gbp: "bacs_debit", cad: "acss_debit", eur: "sepa_debit" };
  const NAMES = { card: "Card", us_bank_account: "US bank account", au_becs_debit: "BECS direct debit", nz_bank_account: "NZ bank account", bacs_debit: "Bacs direct debit", acss_debit: "Pre-authorized debit", sepa_debit: "SEPA direct debit" };

  const digits = (text) => text.replace(/\D/g, "");
  const wrong = (code, message) => ({ code, message });

  /* Cards */
  function brandOf(number) {
    if (/^3[47]/.test(number)) return "amex";
    if (/^(5[1-5]|2[2-7])/.test(number)) return "mastercard";
    if (/^4/.test(number)) return "visa";
    if (/^(6011|65|64[4-9])/.test(number)) return "discover";
    return "";
  }

  const lengthOf = (number) => (brandOf(number) === "amex" ? 15 : 16);

  function luhn(number) {
    return [...number].reverse().reduce((sum, digit, place) => {
      const value = Number(digit) * (place % 2 ? 2 : 1);
      return sum + (value > 9 ? value - 9 : value);
    }, 0) % 10 === 0;
  }

  function groupCard(text) {
    const number = digits(text).slice(0, lengthOf(digits(text)));
    const parts = brandOf(number) === "amex" ? [number.slice(0, 4), number.slice(4, 10), number.slice(10)] : number.match(/.{1,4}/g) || [];
    return parts.filter(Boolean).join(" ");
  }

  function groupExpiry(text, before) {
    let found = digits(text).slice(0, 4);
    if (/^\d\s*\//.test(text)) found = `0${found}`.slice(0, 4);
    else if (/^[2-9]$/.test(found)) found = `0${found}`;
    if (found.length < 2 || (found.length === 2 && before.length > text.length)) return found;
    return `${found.slice(0, 2)} / ${found.slice(2)}`;
  }

  function checkNumber(text) {
    const number = digits(text);
    if (number.length < lengthOf(number)) return wrong("incomplete_number", "Your card number is incomplete.");
    return luhn(number) ? null : wrong("invalid_number", "Your card number is invalid.");
  }

  function checkExpiry(text) {
    const found = digits(text);
    if (found.length < 4) return wrong("incomplete_expiry", "Your card's expiration date is incomplete.");
    const [month, year, now] = [Number(found.slice(0, 2)), 2000 + Number(found.slice(2)), new Date()];
    if (month < 1 || month > 12) return wrong("invalid_expiry", "Your card's expiration date is invalid.");
    if (year < now.getFullYear()) return wrong("invalid_expiry_year_past", "Your card's expiration year is in the past.");
    if (year === now.getFullYear() && month <= now.getMonth()) return wrong("invalid_expiry_month_past", "Your card's expiration date is in the past.");
    return year > now.getFullYear() + 50 ? wrong("invalid_expiry_year", "Your card's expiration year is invalid.") : null;
  }

  function checkCvc(text) {
    const wanted = brandOf(digits(value("number"))) === "amex" ? 4 : 3;
    return text.length < wanted ? wrong("incomplete_cvc", "Your card's security code is incomplete.") : null;
  }

  const needed = (label) => (text) => (text.trim() ? null : wrong("incomplete_field", `Please fill in: ${label}.`));
  const exactly = (label, count) => (text) => (digits(text).length === count ? null : wrong("incomplete_field", `${label} has ${count} digits.`));

  /* What to ask for each kind of payment method */
  const bankField = (name, label, check, more) => ({ name, label, check: check || needed(label), inputMode: "numeric", autocomplete: "off", wide: true, ...more });
  const checkMail = (text) => (/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(text.trim()) ? null : wrong("incomplete_email", "Your email is incomplete."));
  const OWNER = [
    { name: "owner", asks: "name", label: "Name on the account", check: needed("Name on the account"), autocomplete: "name", wide: true },
    { name: "email", asks: "email", label: "Email", check: checkMail, autocomplete: "email", inputMode: "email", wide: true },
  ];
  const FIELDS = {
    card: [
      { name: "number", label: "Card number", check: checkNumber, format: groupCard, placeholder: "1234 1234 1234 1234", autocomplete: "cc-number", inputMode: "numeric", wide: true },
      { name: "expiry", label: "Expiration date", check: checkExpiry, format: groupExpiry, placeholder: "MM / YY", autocomplete: "cc-exp", inputMode: "numeric" },
      { name: "cvc", label: "Security code", check: checkCvc, format: (text) => digits(text).slice(0, brandOf(digits(value("number"))) === "amex" ? 4 : 3), placeholder: "CVC", autocomplete: "cc-csc", inputMode: "numeric" },
    ],
    us_bank_account: [...OWNER, bankField("routing_number", "Routing number", exactly("The routing number", 9)), bankField("account_number", "Account number")],
    au_becs_debit: [...OWNER, bankField("bsb_number", "BSB", exactly("A BSB", 6)), bankField("account_number", "Account number")],
    nz_bank_account: [...OWNER, bankField("bank_code", "Bank code", exactly("The bank code", 2), { wide: false }), bankField("branch_code", "Branch code", exactly("The branch code", 4), { wide: false }), bankField("account_number", "Account number", exactly("The account number", 7), { wide: false }), bankField("suffix", "Suffix", null, { wide: false })],
    bacs_debit: [...OWNER, bankField("sort_code", "Sort code", exactly("A sort code", 6)), bankField("account_number", "Account number", exactly("The account number", 8))],
    acss_debit: [...OWNER, bankField("institution_number", "Institution number", exactly("The institution number", 3)), bankField("transit_number", "Transit number", exactly("The transit number", 5)), bankField("account_number", "Account number")],
    sepa_debit: [...OWNER, bankField("iban", "IBAN", needed("IBAN"), { inputMode: "text" })],
  };

  const input = (name) => document.getElementById(`field-${name}`);
  function value(name) {
    return input(name)?.value || "";
  }

  function make(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function draw(field) {
    const id = `field-${field.name}`;
    const control = make("input", { id, type: "text", name: field.name, placeholder: field.placeholder || "", autocomplete: field.autocomplete, inputMode: field.inputMode || "text", spellcheck: false });
    control.setAttribute("aria-describedby", `${id}-error`);
    control.setAttribute("aria-required", "true");
    const cell = make("div", { className: field.wide ? "field wide" : "field" }, make("label", { htmlFor: id, textContent: field.label }), control);
    if (field.name === "number") cell.append(make("span", { id: "brand", className: "brand" }));
    cell.append(make("p", { id: `${id}-error`, className: "problem" }));
    let before = "";
    control.addEventListener("input", () => {
      if (field.format) control.value = field.format(control.value, before);
      before = control.value;
      if (field.name === "number") showBrand();
      if (control.getAttribute("aria-invalid") === "true") show(field, field.check(control.value));
      advance(field);
      changed();
    });
    control.addEventListener("blur", () => { if (control.value) show(field, field.check(control.value)); });
    return cell;
  }

  function advance(field) {
    if (!["number", "expiry"].includes(field.name) || document.activeElement !== input(field.name)) return;
    const next = { number: "expiry", expiry: "cvc" }[field.name];
    if (!field.check(input(field.name).value) && input(field.name).selectionStart === input(field.name).value.length) input(next).focus();
  }

  function showBrand() {
    const brand = brandOf(digits(value("number")));
    document.getElementById("brand").textContent = { visa: "Visa", mastercard: "Mastercard", amex: "Amex", discover: "Discover" }[brand] || "";
    input("cvc").placeholder = brand === "amex" ? "4 digits" : "CVC";
  }

  function show(field, problem) {
    const control = input(field.name);
    control.setAttribute("aria-invalid", problem ? "true" : "false");
    document.getElementById(`field-${field.name}-error`).textContent = problem ? problem.message : "";
  }

  /* Whether the page around us leaves this billing detail to us. */
  function wants(detail) {
    const asked = state.element.fields?.billingDetails;
    return !(asked === "never" || asked?.[detail] === "never");
  }

  const wantsCountry = () => wants("address") && state.element.fields?.billingDetails?.address?.country !== "never";
  const fieldsNow = () => FIELDS[state.kind].filter((field) => !field.asks || wants(field.asks));

  function country() {
    const preset = state.element.defaultValues?.billingDetails?.address?.country;
    const fromLocale = (navigator.language.split("-")[1] || "US").toUpperCase();
    const chosen = COUNTRIES[preset] ? preset : COUNTRIES[fromLocale] ? fromLocale : "US";
    const select = make("select", { id: "field-country", name: "country", autocomplete: "country" });
    for (const [code, name] of Object.entries(COUNTRIES)) select.append(make("option", { value: code, textContent: name, selected: code === chosen }));
    select.addEventListener("change", changed);
    return make("div", { className: "field wide" }, make("label", { htmlFor: "field-country", textContent: "Country" }), select);
  }

  function build() {
    holder.replaceChildren(...fieldsNow().map(draw));
    if (state.kind === "card" && wantsCountry()) holder.append(country());
    const preset = state.element.defaultValues?.billingDetails || {};
    for (const field of OWNER) if (preset[field.asks] && input(field.name)) input(field.name).value = preset[field.asks];
    kindsBox.hidden = state.kinds.length < 2;
    kindsBox.replaceChildren(kindsBox.querySelector("legend") || "", ...state.kinds.map(choice));
    showTerms();
    document.querySelectorAll("input, select").forEach((control) => {
      control.addEventListener("focus", () => say("focus", {}));
      control.addEventListener("blur", () => say("blur", {}));
    });
  }

  function choice(kind) {
    const radio = make("input", { type: "radio", name: "kind", value: kind, checked: kind === state.kind });
    radio.addEventListener("change", () => {
      state.kind = kind;
      build();
      document.querySelector(`input[name=kind][value=${kind}]`).focus();
      changed();
    });
    return make("label", { className: "kind" }, radio, make("span", { textContent: NAMES[kind] }));
  }

  /* What a payer agrees to with a debit; Stripe words these per scheme, these are ours. */
  const ONCE = "By continuing you authorise this business to debit your bank account once, for this amount.";
  const LATER = "By continuing you authorise this business to debit your bank account for later payments that you agree on.";
  const SAVED = "By continuing you authorise this business to debit your bank account now and for later payments that you agree on.";
  const MANDATES = {
    us_bank_account: "The debit goes through the ACH network and may be corrected if it was wrong. You can end the authorisation by telling the business.",
    au_becs_debit: "You accept the Direct Debit Request and its service agreement (practice user id 000000), and you confirm that you may sign alone for this account.",
    nz_bank_account: "You accept the direct debit authority and its terms, and you confirm that you may sign alone for this account.",
    bacs_debit: "Your payments are protected by the Direct Debit Guarantee.",
    acss_debit: "This is a pre-authorized debit agreement; you waive the notice before the first debit and may cancel at any time.",
    sepa_debit: "Your bank pays back a debit that you ask back within eight weeks. Your rights are in a statement that you can get from your bank.",
  };

  function showTerms() {
    const wanted = state.element.terms?.[state.kind];
    const debit = state.kind !== "card";
    const saving = state.options.mode === "setup" || Boolean(state.options.setupFutureUsage);
    terms.hidden = wanted === "never" ? !debit : !(debit || saving || wanted === "always");
    terms.textContent = debit
      ? `${state.options.mode === "setup" ? LATER : saving ? SAVED : ONCE} ${MANDATES[state.kind]}`
      : "By giving your card you allow this business to charge it for future payments under its terms.";
  }

  /* Talking to the page around us */
  function say(event, content) {
    state.port?.postMessage({ event, value: content });
  }

  function changed() {
    const fields = fieldsNow();
    const content = { empty: fields.every((field) => !value(field.name)), complete: fields.every((field) => !field.check(value(field.name))), value: { type: state.kind }, collapsed: false };
    const text = JSON.stringify(content);
    if (text !== state.last) say("change", content);
    state.last = text;
  }

  function validate() {
    const problems = fieldsNow().map((field) => [field, field.check(value(field.name))]);
    problems.forEach(([field, problem]) => show(field, problem));
    const first = problems.find(([, problem]) => problem);
    if (!first) return { selectedPaymentMethod: state.kind };
    input(first[0].name).focus();
    return { error: { type: "validation_error", ...first[1] } };
  }

  function details() {
    if (state.kind === "card") {
      const expiry = digits(value("expiry"));
      return { number: digits(value("number")), exp_month: Number(expiry.slice(0, 2)), exp_year: 2000 + Number(expiry.slice(2)), cvc: value("cvc") };
    }
    return Object.fromEntries(FIELDS[state.kind].filter((field) => !field.asks).map((field) => [field.name, value(field.name).trim()]));
  }

  function billing(given) {
    const chosen = value("country") ? { country: value("country") } : {};
    const owned = Object.fromEntries(OWNER.filter((field) => value(field.name)).map((field) => [field.asks, value(field.name).trim()]));
    const preset = state.element.defaultValues?.billingDetails || {};
    return { ...preset, ...owned, ...given, address: { ...preset.address, ...chosen, ...given?.address } };
  }

  function encode(content, name, into) {
    if (content === null || content === undefined) return into;
    if (typeof content !== "object") into.append(name, String(content));
    else for (const [key, inner] of Object.entries(content)) encode(inner, name ? `${name}[${key}]` : key, into);
    return into;
  }

  async function token(params) {
    const problem = validate();
    if (problem.error) return problem;
    const fields = {
      key: state.key,
      payment_method_data: { type: state.kind, [state.kind]: details(), billing_details: billing(params.payment_method_data?.billing_details) },
      return_url: params.return_url,
      shipping: params.shipping,
      setup_future_usage: state.options.setupFutureUsage,
    };
    if (state.kind !== "card") fields.mandate_data = { customer_acceptance: { type: "online", online: { infer_from_client: true } } };
    return send("/stripe/v1/confirmation_tokens", fields);
  }

  async function send(path, fields) {
    try {
      const answer = await (await fetch(path, { method: "POST", body: encode(fields, "", new URLSearchParams()) })).json();
      if (answer.error) mark(answer.error);
      return answer.error ? { error: answer.error } : { value: answer };
    } catch {
      return { error: { type: "api_connection_error", message: "We could not reach the payment service. Please try again." } };
    }
  }

  function mark(error) {
    const name = { number: "number", exp_month: "expiry", exp_year: "expiry", cvc: "cvc" }[error.param];
    const field = FIELDS[state.kind].find((one) => one.name === name);
    if (field) show(field, error);
  }

  /* How it looks */
  const THEMES = {
    stripe: { colorPrimary: "#0570de", colorBackground: "#ffffff", colorText: "#30313d", colorDanger: "#b3093c", borderRadius: "5px", spacingUnit: "4px", fontFamily: "system-ui, sans-serif" },
    night: { colorPrimary: "#85d996", colorBackground: "#30313d", colorText: "#ffffff", colorDanger: "#fe87a1", borderRadius: "5px", spacingUnit: "4px", fontFamily: "system-ui, sans-serif" },
    flat: { colorPrimary: "#0570de", colorBackground: "#f1f1f1", colorText: "#30313d", colorDanger: "#b3093c", borderRadius: "4px", spacingUnit: "4px", fontFamily: "system-ui, sans-serif" },
  };

  function dress(appearance) {
    const theme = appearance?.theme || "stripe";
    const variables = { ...(THEMES[theme] || THEMES.stripe), ...appearance?.variables };
    const root = document.documentElement;
    root.style.colorScheme = theme === "night" ? "dark" : "light";
    for (const [name, setting] of Object.entries(variables)) {
      root.style.setProperty(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(setting));
    }
  }

  /* Beginning */
  async function kindsOf() {
    if (state.clientSecret) {
      const [kind, id] = [state.clientSecret.startsWith("seti_") ? "setup_intents" : "payment_intents", state.clientSecret.split("_secret_")[0]];
      const query = new URLSearchParams({ key: state.key, client_secret: state.clientSecret });
      const answer = await (await fetch(`/stripe/v1/${kind}/${id}?${query}`)).json();
      if (answer.error) throw answer.error;
      return answer.payment_method_types;
    }
    return state.options.paymentMethodTypes || ["card", BY_CURRENCY[state.options.currency]];
  }

  function applyOptions(settings) {
    if (settings.options) state.options = settings.options;
    if (settings.element) state.element = settings.element;
    dress(state.options.appearance);
    document.documentElement.lang = state.options.locale && state.options.locale !== "auto" ? state.options.locale : "en";
  }

  const ANSWERS = {
    validate,
    token,
    update: async (settings) => { applyOptions(settings); await chooseKinds(); return {}; },
    focus: () => { holder.querySelector("input")?.focus(); return {}; },
    blur: () => { document.activeElement?.blur(); return {}; },
    clear: () => { build(); changed(); return {}; },
  };

  /* Show other tabs only when others are wanted: what was typed shall outlive a new amount. */
  async function chooseKinds(first) {
    const kinds = (await kindsOf()).filter((kind) => FIELDS[kind]);
    if (!first && kinds.join() === state.kinds.join()) {
      showTerms();
      return;
    }
    state.kinds = kinds;
    if (first || !kinds.includes(state.kind)) state.kind = kinds[0] || "card";
    build();
  }

  async function begin(settings, port) {
    state.port = port;
    state.key = settings.key;
    state.clientSecret = settings.clientSecret;
    applyOptions(settings);
    port.onmessage = async ({ data }) => port.postMessage({ answer: data.number, value: await ANSWERS[data.ask](data.value) });
    new ResizeObserver(() => say("height", Math.ceil(form.getBoundingClientRect().height))).observe(form);
    try {
      await chooseKinds(true);
    } catch (error) {
      say("loaderror", { error });
      return;
    }
    say("ready", {});
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("message", (message) => {
    const invited = message.source === window.parent && message.origin === parentOrigin && message.data?.practiceStripe === "init";
    if (invited && !state.port && message.ports[0]) begin(message.data.settings, message.ports[0]);
  });
})();
