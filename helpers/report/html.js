const say = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const button = (label) => Object.assign(document.createElement("button"), { type: "button", ariaLabel: label });

// Pictures are enlarged in a dialog, which the browser closes on Escape and which gives the focus back.
const dialog = document.querySelector("dialog");
const enlarge = (picture, caption) => {
  dialog.querySelector(".stage").replaceChildren(picture.cloneNode());
  dialog.querySelector("p").textContent = caption;
  dialog.showModal();
};
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
for (const picture of document.querySelectorAll(".picture img")) {
  const name = picture.closest("figure").querySelector("b")?.textContent;
  const opener = button(say(SAID.enlarge, { caption: name ?? picture.alt }));
  opener.className = "zoom";
  picture.replaceWith(opener);
  opener.append(picture);
  opener.addEventListener("click", () => enlarge(picture, name ? `${name}. ${picture.alt}` : picture.alt));
}

for (const link of document.querySelectorAll(".matrix a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const picture = document.querySelector(`${link.hash} img`);
    enlarge(picture, picture.alt);
  });
}

// A table is sorted by a column up, down, and then as it was; what has no value comes last.
const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
const key = (row, place) => row.cells[place].dataset.value ?? row.cells[place].textContent;
const order = (place, sign) => (one, other) => {
  const [a, b] = [key(one, place), key(other, place)];
  const [none, nor] = [a, b].map((value) => value === "" || value === "\u2026");
  if (none || nor) return none - nor;
  return sign * (one.cells[place].dataset.value === undefined ? compare(a, b) : a - b);
};
const sort = (table, rows, place) => {
  const heads = [...table.tHead.rows[0].cells];
  const now = { ascending: "descending", descending: "none" }[heads[place].ariaSort] ?? "ascending";
  heads.forEach((head, other) => (head.ariaSort = other === place ? now : "none"));
  table.tBodies[0].append(...(now === "none" ? rows : rows.toSorted(order(place, now === "ascending" ? 1 : -1))));
};
const filter = (rows, output, text) => {
  for (const row of rows) row.hidden = !row.textContent.toLocaleLowerCase().includes(text.toLocaleLowerCase());
  output.value = text && say(SAID.rows, { shown: rows.filter((row) => !row.hidden).length, all: rows.length });
};
for (const table of document.querySelectorAll("table:not(.matrix)")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length > 1) {
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      if (!head.textContent) return;
      const opener = button(null);
      opener.append(...head.childNodes);
      head.append(opener);
      head.ariaSort = "none";
      opener.addEventListener("click", () => sort(table, rows, place));
    });
  }
  if (rows.length > 8) {
    const box = document.querySelector("#filter").content.cloneNode(true);
    const [field, output] = [box.querySelector("input"), box.querySelector("output")];
    field.setAttribute("aria-describedby", table.getAttribute("aria-labelledby"));
    field.addEventListener("input", () => filter(rows, output, field.value.trim()));
    table.parentElement.before(box);
  }
}

// The list of questions marks the one that is read: the last that begins above the upper third of the window.
const links = [...document.querySelectorAll(".questions a")];
const mark = () => {
  const begun = links.filter(({ hash }) => document.querySelector(hash).getBoundingClientRect().top < innerHeight / 3);
  const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const current = end ? links.at(-1) : (begun.at(-1) ?? links[0]);
  for (const link of links) link.ariaCurrent = link === current ? "location" : null;
};
addEventListener("scroll", mark, { passive: true });
addEventListener("resize", mark);
mark();
