/* Tells the page around us that the bank's question was answered; says nothing about the answer. */
(() => {
  "use strict";
  if (window.parent !== window) window.parent.postMessage({ practiceStripe: "challenge-done" }, "*");
})();
