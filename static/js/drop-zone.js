// Gives a file input in [data-drop-zone] dropping, pasting, and a preview of what was chosen.

const UNITS = ["B", "kB", "MB", "GB"];

document.addEventListener("change", (event) => {
  const zone = zoneOf(event.target);
  if (zone && event.target.type === "file") preview(zone);
});

document.addEventListener("dragover", (event) => {
  const zone = zoneOf(event.target);
  if (!zone) return;
  event.preventDefault();
  zone.classList.add("is-over");
});

for (const type of ["dragleave", "drop", "dragend"]) {
  document.addEventListener(type, (event) => {
    zoneOf(event.target)?.classList.remove("is-over");
  });
}

document.addEventListener("drop", (event) => {
  const zone = zoneOf(event.target);
  if (!zone) return;
  event.preventDefault();
  choose(zone, event.dataTransfer.files);
});

document.addEventListener("paste", (event) => {
  const zone = document.querySelector("[data-drop-zone]");
  if (!zone || !event.clipboardData?.files.length) return;
  event.preventDefault();
  choose(zone, event.clipboardData.files);
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-drop-zone-clear]")) return;
  const zone = zoneOf(event.target);
  inputOf(zone).value = "";
  preview(zone);
  inputOf(zone).focus();
});

function zoneOf(element) {
  return element.closest?.("[data-drop-zone]");
}

function inputOf(zone) {
  return zone.querySelector("input[type=file]");
}

// A script may not make a FileList, but may pass one on.
function choose(zone, files) {
  if (!files.length) return;
  const one = new DataTransfer();
  one.items.add(files[0]);
  inputOf(zone).files = one.files;
  inputOf(zone).dispatchEvent(new Event("change", { bubbles: true }));
}

function preview(zone) {
  const file = inputOf(zone).files[0];
  const picture = zone.querySelector("[data-drop-zone-picture]");
  if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
  picture.hidden = true;
  picture.removeAttribute("src");
  zone.classList.toggle("has-file", Boolean(file));
  zone.querySelector("[data-drop-zone-facts]").hidden = !file;
  zone.querySelector("[data-drop-zone-clear]").hidden = !file;
  if (!file) return;
  describe(zone, file);
  if (!inputOf(zone).accept.includes("image/")) return;
  picture.onload = () => {
    picture.hidden = false;
    describe(zone, file, picture);
  };
  picture.src = URL.createObjectURL(file);
}

function describe(zone, file, picture) {
  const facts = [size(file.size), file.type];
  if (picture) {
    facts.push(`${picture.naturalWidth} × ${picture.naturalHeight} px`);
  }
  zone.querySelector("[data-drop-zone-name]").textContent = file.name;
  zone.querySelector("[data-drop-zone-detail]").textContent = facts.filter(Boolean).join(" · ");
}

function size(bytes) {
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${UNITS[step]}`;
}
