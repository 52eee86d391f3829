"use strict";
// Language switch, search and print. Without this script the page shows the Vietnamese text.

const root = document.documentElement;

// Tone and vowel marks off, so that "dang uy" finds "Đảng ủy" and "uỷ" finds "ủy".
function fold(text) {
  return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/[đĐ]/g, "d").toLowerCase();
}

function showLanguage(language) {
  root.dataset.language = language;
  root.lang = language;
}

// The same place in the other language: "POS-3" and "en-POS-3".
function anchorIn(language, anchor) {
  const name = anchor.replace(/^en-/, "");
  return language === "en" ? "en-" + name : name;
}

for (const button of document.querySelectorAll(".switch button")) {
  button.addEventListener("click", () => {
    const language = button.dataset.language;
    showLanguage(language);
    const anchor = decodeURIComponent(location.hash.slice(1));
    if (anchor) location.hash = anchorIn(language, anchor);
  });
}

function followAddress() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  showLanguage(target.closest(".guide").lang);
  target.scrollIntoView();
}
window.addEventListener("hashchange", followAddress);
followAddress();

for (const guide of document.querySelectorAll(".guide")) {
  const input = guide.querySelector("input");
  const count = guide.querySelector(".count");
  const pages = [...guide.querySelectorAll(".page")].map((page) => ({
    page,
    entry: guide.querySelector(`nav ol > li > a[href="#${page.id}"]`).parentElement,
    units: [...page.querySelectorAll(".unit")].map((unit) => ({
      unit,
      link: unit.id ? guide.querySelector(`nav ul a[href="#${unit.id}"]`).parentElement : null,
      text: fold(unit.textContent),
    })),
  }));

  input.addEventListener("input", () => {
    const words = fold(input.value).split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { page, entry, units } of pages) {
      let here = 0;
      for (const { unit, link, text } of units) {
        const fits = words.every((word) => text.includes(word));
        unit.hidden = !fits;
        if (link) link.hidden = !fits;
        here += fits;
      }
      page.hidden = entry.hidden = here === 0;
      found += here;
    }
    count.textContent = !words.length ? "" : found ? String(found) : count.dataset.nothing;
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    input.value = "";
    input.dispatchEvent(new Event("input"));
  });
  guide.querySelector(".print").addEventListener("click", () => window.print());
}
