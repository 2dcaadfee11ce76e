// Gives the keyboard its place back when htmx replaces the form or link that it was on.

let gone;
let around = [];

document.addEventListener("htmx:before:swap", (event) => {
  gone = event.detail.ctx.sourceElement;
  around = [];
  for (let place = gone; place; place = place.parentElement) {
    if (place.id) around.push(place.id);
  }
});

document.addEventListener("htmx:after:swap", () => {
  if (gone?.isConnected || document.activeElement !== document.body) return;
  const place = around.map((id) => document.getElementById(id)).find(Boolean);
  const summary = place?.matches("details") ? place.querySelector("summary") : null;
  if (place && !summary) place.tabIndex = -1;
  (summary ?? place)?.focus();
});
