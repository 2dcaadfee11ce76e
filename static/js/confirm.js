// Asks the question in data-confirm (on a form or on its button) before the form is sent.

// In the capture phase on the window: before htmx, which listens on the form itself.
window.addEventListener(
  "submit",
  (event) => {
    const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
    if (!question || window.confirm(question)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);
