// What someone types or chooses is no longer the example: its link loses the mark.

for (const type of ["input", "change"]) {
  document.addEventListener(type, (event) => {
    if (!event.target.matches?.("textarea, input[type=file]")) return;
    const chip = event.target.form?.querySelector(".example-chip[aria-current]");
    chip?.removeAttribute("aria-current");
  });
}
