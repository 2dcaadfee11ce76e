// Lights a found thing in the list and on the picture together: both carry the same data-shape.

for (const type of ["pointerover", "focusin"]) {
  document.addEventListener(type, (event) => {
    const item = event.target.closest?.("[data-shape]");
    light(item);
  });
}
document.addEventListener("focusout", () => light(null));

function light(item) {
  for (const lit of document.querySelectorAll("[data-shape].is-lit")) {
    lit.classList.remove("is-lit");
  }
  if (!item) return;
  const group = item.closest(".findings") ?? item.closest("[data-shapes]");
  const same = `[data-shape="${item.dataset.shape}"]`;
  for (const twin of group.querySelectorAll(same)) {
    twin.classList.add("is-lit");
  }
}
