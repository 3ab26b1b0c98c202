// Batch Pay Now: select all or none, and the sum of what is allocated. Without it the server adds up and checks.

const form = document.getElementById("batch");
const boxes = [...form.querySelectorAll("input[data-pick]")];
const amountOf = (box) => form.querySelector(`[data-allocated="${box.dataset.pick}"]`);
const format = new Intl.NumberFormat("en-001", {
  style: "currency", currency: form.dataset.currency,
  minimumFractionDigits: Number(form.dataset.digits), maximumFractionDigits: Number(form.dataset.digits),
});
const digits = Number(form.dataset.digits);

const sign = new Intl.NumberFormat("en", { style: "currency", currency: form.dataset.currency })
  .formatToParts(0).find((part) => part.type === "currency").value.toUpperCase();

function minorUnits(text) {
  let plain = text.replaceAll("\u00a0", " ").trim().toUpperCase();
  for (const mark of [sign, form.dataset.currency]) {
    if (plain.startsWith(mark)) plain = plain.slice(mark.length).trim();
    else if (plain.endsWith(mark)) plain = plain.slice(0, -mark.length).trim();
  }
  if (digits === 3 && /^\d+,\d+$/.test(plain)) return 0; // could mean two amounts, so the server asks
  if (!/^(\d+|\d{1,3}(,\d{3})+)(\.\d*)?$/.test(plain)) return 0; // the server says what is wrong with it
  return Math.round(Number(plain.replaceAll(",", "")) * 10 ** digits);
}

function addUp() {
  let sum = 0;
  let count = 0;
  for (const box of boxes) {
    const amount = amountOf(box);
    amount.closest("tr").classList.toggle("is-picked", box.checked);
    if (!box.checked) continue;
    count += 1;
    sum += minorUnits(amount.value);
  }
  form.querySelector("[data-count]").textContent = `${count} invoice${count === 1 ? "" : "s"} selected.`;
  form.querySelector("[data-sum]").textContent = format.format(sum / 10 ** digits);
}

function pickEvery(isPicked) {
  for (const box of boxes) box.checked = isPicked;
  addUp();
}

form.addEventListener("input", (event) => {
  const { allocated } = event.target.dataset;
  if (allocated) boxes.find((box) => box.dataset.pick === allocated).checked = event.target.value.trim() !== "";
  addUp();
});
form.querySelector("[data-pick-all]").addEventListener("click", () => pickEvery(true));
form.querySelector("[data-pick-none]").addEventListener("click", () => pickEvery(false));
for (const node of form.querySelectorAll("[data-picks], [data-total]")) node.hidden = false;
addUp();
