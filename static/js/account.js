// Passkeys: offered where the browser has them, and their errors as messages.

const WORDS = {
  NotAllowedError: "Nothing was confirmed. Please try again.",
  InvalidStateError: "This device is added already.",
  SecurityError: "Passkeys do not work at this address of Wise-Pay.",
};

if (window.PublicKeyCredential) {
  for (const element of document.querySelectorAll("[data-needs-passkeys]")) element.hidden = false;
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const said = document.querySelector("[data-passkey-trouble]");
  if (!said) return;
  said.textContent = WORDS[event.detail.exception.name] ?? "That did not work. Please try again.";
  said.hidden = false;
});
