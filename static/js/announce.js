// Reads out how many a list holds when htmx has searched it or turned its page.

document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx.request.method !== "GET") return;
  const words = document.querySelector("[data-announce]");
  if (words) document.getElementById("announcement").textContent = words.textContent;
});
