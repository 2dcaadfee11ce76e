// Says beside the form or link that the portal did not answer, when a request of htmx fails.

document.addEventListener("htmx:error", (event) => {
  if (!event.detail.ctx) return;
  const notice = document.getElementById("unreachable").content.cloneNode(true);
  const place = event.target.closest("form, .toolbar") ?? event.target;
  takeAway();
  if (place.matches("form")) place.append(notice);
  else place.after(notice);
});

document.addEventListener("htmx:before:request", takeAway);

function takeAway() {
  document.querySelector("main [data-unreachable]")?.remove();
}
