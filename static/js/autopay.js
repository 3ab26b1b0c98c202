// Auto-Pay: of the texts of a new mapping, shows those that apply to the chosen methods. Without it all of them stand there.

for (const form of document.querySelectorAll("form[data-debits]")) {
  const debits = form.dataset.debits.split(" ");
  const showTerms = () => {
    const chosen = [form.elements.primary.value, form.elements.secondary.value].filter(Boolean);
    const method = chosen.some((one) => debits.includes(one)) ? "bank_debit" : "card";
    for (const node of form.querySelectorAll("[data-terms-for]")) {
      const fits = !chosen.length || node.dataset.termsFor.split(" ").includes(method);
      node.hidden = !fits;
      node.querySelector("input").disabled = !fits;
    }
  };
  form.addEventListener("change", showTerms);
  showTerms();
}
