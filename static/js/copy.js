// Copies the text of the element that a [data-copy] button names by id.

const SHOW_COPIED_MS = 2000;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent);
    sayCopied(button);
  } catch {
    // Plain http outside localhost has no clipboard: mark the text, so that Ctrl+C copies it.
    getSelection().selectAllChildren(source);
  }
});

function sayCopied(button) {
  const label = button.querySelector("[data-copy-label]");
  if (button.classList.contains("is-copied")) return;
  const words = label.textContent;
  label.textContent = button.dataset.copied;
  button.classList.add("is-copied");
  setTimeout(() => {
    label.textContent = words;
    button.classList.remove("is-copied");
  }, SHOW_COPIED_MS);
}
