"use strict";
const byId = (id) => document.getElementById(id);
const requirements = [...document.querySelectorAll("details.requirement")];
const filters = ["outcome", "level", "family", "operation"];

function fits(row) {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = row.textContent.toLowerCase();
  const operations = row.dataset.operations;
  return filters.every((name) => {
    const wanted = byId(name).value;
    if (!wanted) return true;
    if (name === "operation") return !operations || operations.split(" ").includes(wanted);
    return row.dataset[name] === wanted;
  }) && words.every((word) => text.includes(word));
}

function apply() {
  let shown = 0;
  for (const row of requirements) {
    const visible = fits(row);
    row.hidden = !visible;
    shown += visible ? 1 : 0;
    document.querySelector(`a[data-for="${row.id}"]`).classList.toggle("out", !visible);
  }
  for (const family of document.querySelectorAll("section.family")) {
    family.hidden = !family.querySelector("details.requirement:not([hidden])");
  }
  byId("shown").textContent = `${shown} of ${requirements.length}`;
}

function open() {
  const row = byId(decodeURIComponent(location.hash.slice(1)));
  if (!row || !row.classList.contains("requirement")) return;
  if (row.hidden) {
    document.querySelector("form.filters").reset();
    apply();
  }
  row.open = true;
  row.scrollIntoView();
  row.querySelector("summary").focus({ preventScroll: true });
}

async function copy(button) {
  const text = button.closest("h5").nextElementSibling.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(button.closest("h5").nextElementSibling);
    button.textContent = "selected";
  }
}

for (const name of filters) byId(name).addEventListener("change", apply);
byId("search").addEventListener("input", apply);
document.querySelector("form.filters").addEventListener("reset", () => setTimeout(apply));
document.addEventListener("click", (event) => {
  if (event.target.matches("button.copy")) copy(event.target);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, select")) {
    event.preventDefault();
    byId("search").focus();
  }
});
addEventListener("hashchange", open);
addEventListener("beforeprint", () => {
  for (const row of document.querySelectorAll("details.failed, details.warned")) row.open = true;
});
open();
