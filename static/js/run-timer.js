// Shows the thin bar and the elapsed time while <form data-run-timer="ID"> runs through htmx.

const SHOW_AFTER_MS = 150;
const TICK_MS = 100;

let timer = null;

document.addEventListener("htmx:before:request", (event) => {
  const status = statusOf(event.target);
  if (!status) return;
  clearInterval(timer);
  const started = performance.now();
  timer = setInterval(() => {
    const elapsed = performance.now() - started;
    if (elapsed < SHOW_AFTER_MS) return;
    status.hidden = false;
    status.querySelector("[data-run-time]").textContent = `${(elapsed / 1000).toFixed(1)} s`;
  }, TICK_MS);
});

document.addEventListener("htmx:finally:request", (event) => {
  const status = statusOf(event.target);
  if (!status) return;
  clearInterval(timer);
  status.hidden = true;
});

function statusOf(element) {
  const form = element.closest?.("form[data-run-timer]");
  return form && document.getElementById(form.dataset.runTimer);
}
