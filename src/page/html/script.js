// The page is complete without this script. It sends and loads nothing.
const all = (what, within = document) => [...within.querySelectorAll(what)];
const make = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
const on = (target, type, act) => target.addEventListener(type, act);
const button = (words, act, className = "") => {
  const made = make("button", { type: "button", className }, words);
  on(made, "click", act);
  return made;
};
const inside = (at, list) => Math.min(Math.max(at, 0), list.length - 1);
const data = JSON.parse(document.getElementById("page.data").textContent);

// Tables: a click on a head sorts by it, a second turns the order, a third restores the first order.
const order = new Intl.Collator("en", { numeric: true }).compare;
for (const table of all("table[data-table]")) {
  const columns = data.tables[table.dataset.table];
  const rows = [...table.tBodies[0].rows];
  const heads = all("thead tr *", table);
  const sort = (head, column) => {
    const numbers = columns[column];
    const turns = numbers ? ["descending", "ascending"] : ["ascending", "descending"];
    const turn = turns[turns.indexOf(head.ariaSort) + 1];
    for (const other of heads) other.ariaSort = null;
    head.ariaSort = turn ?? null;
    const keyed = rows.map((row, at) => [numbers ? numbers[at] : row.cells[column].textContent || null, row]);
    if (turn) keyed.sort(([a], [b]) => {
      // What is missing comes last in either order.
      if (a === null || b === null) return (a === null) - (b === null);
      return (turn === "ascending" ? 1 : -1) * (numbers ? a - b : order(a, b));
    });
    table.tBodies[0].append(...keyed.map(([, row]) => row));
  };
  if (rows.length > 1) heads.forEach((head, column) => {
    if (!head.textContent) return;
    const made = button("", () => sort(head, column));
    made.append(...head.childNodes);
    head.append(made);
  });
  if (rows.length < 6) continue;
  const shown = make("span", { role: "status" });
  const input = make("input", { type: "search" });
  on(input, "input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  });
  table.closest(".table").prepend(make("div", { className: "controls" }, make("label", {}, "Filter rows ", input), shown));
}

// A line below a picture that tells what is pointed at.
const readout = (figure, first) => {
  const line = make("p", { className: "readout" }, first);
  figure.querySelector(".scroll").after(line);
  return (words) => { line.textContent = words; };
};

// Confusion matrices: a class sorts all classes by how often it is confused with them.
for (const figure of all("figure.confusion")) {
  const table = figure.querySelector("table");
  const pixels = data.confusions[table.dataset.confusion];
  const share = pixels.map((row) => row.map((count) => count / (row.reduce((a, b) => a + b) || 1)));
  const head = table.tHead.rows[0];
  const rows = [...table.tBodies[0].rows];
  const cells = [head, ...rows].map((row) => [...row.cells].slice(1));
  const names = rows.map((row) => row.cells[0].textContent);
  let by = null;
  const sort = (chosen) => {
    by = by === chosen ? null : chosen;
    const weight = (other) => (other === by ? 3 : share[by][other] + share[other][by]);
    const places = [...names.keys()];
    if (by !== null) places.sort((a, b) => weight(b) - weight(a));
    [head, ...rows].forEach((row, line) => row.append(...places.map((at) => cells[line][at])));
    table.tBodies[0].append(...places.map((at) => rows[at]));
    buttons.forEach((made, at) => { made.ariaPressed = at === by; });
  };
  const buttons = names.map((name, at) => button(name, () => sort(at)));
  rows.forEach((row, at) => row.cells[0].replaceChildren(buttons[at]));
  const out = readout(figure, "Choose a class to sort all by their confusion with it.");
  on(table, "pointerover", (event) => {
    const y = rows.indexOf(event.target.parentNode);
    const x = y < 0 ? -1 : cells[y + 1].indexOf(event.target);
    if (x < 0) return;
    const count = pixels[y][x].toLocaleString("en");
    out(`${names[y]} predicted as ${names[x]}: ${(share[y][x] * 100).toFixed(2)} % (${count} pixels)`);
  });
}

// Charts: marks that are pointed at are told below; the arrow keys go from mark to mark. Of curves, the marks of all lines at
// one step belong together.
const modified = (event) => event.ctrlKey || event.altKey || event.metaKey;
for (const figure of all("figure.chart")) {
  const svg = figure.querySelector("svg");
  const marks = all("* > title", svg).map((title) => title.parentNode);
  const lines = svg.matches(".curves") && Object.values(Object.groupBy(marks, (mark) => mark.dataset.series));
  const at = (mark) => +mark.getAttribute("cx");
  const stops = lines ? [...new Set(marks.map(at))].sort((a, b) => a - b) : marks;
  if (!stops.length) continue;
  const out = readout(figure, "Point at the picture, or focus it and use the arrow keys, to read values.");
  let now = -1;
  const near = (line, x) => line.reduce((a, b) => (Math.abs(at(b) - x) < Math.abs(at(a) - x) ? b : a));
  const tell = (stop) => {
    now = inside(stop, stops);
    const told = lines ? lines.map((line) => near(line, stops[now])) : [stops[now]];
    out(told.filter((mark) => !mark.matches(".off")).map((mark) => mark.firstChild.textContent).join("; "));
  };
  on(figure.querySelector(".scroll"), "keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!by || modified(event)) return;
    event.preventDefault();
    tell(now + by);
  });
  on(svg, "pointermove", (event) => {
    const { x } = new DOMPoint(event.x, event.y).matrixTransform(svg.getScreenCTM().inverse());
    const stop = lines ? stops.indexOf(at(near(marks, x))) : marks.findIndex((mark) => mark.contains(event.target));
    if (stop >= 0) tell(stop);
  });
  // Each series can be hidden.
  const series = Object.entries(Object.groupBy(all("text[data-series]:not(:has(title))", svg), (text) => text.dataset.series));
  const toggles = series.map(([number, texts]) => {
    const toggle = button(texts.map((text) => text.textContent).join(" "), () => {
      const hide = toggle.ariaPressed === "true";
      toggle.ariaPressed = !hide;
      for (const mark of all(`[data-series="${number}"]`, svg)) mark.classList.toggle("off", hide);
    }, "control");
    toggle.ariaPressed = true;
    return toggle;
  });
  if (toggles.length > 1) figure.prepend(make("div", { className: "controls" }, "Show: ", ...toggles));
}

// Galleries: a click shows an image large; the arrow keys go through the panels of an image, and to other images.
const large = make("dialog", { ariaLabel: "Image" });
let shown;
const show = (image) => {
  shown = image;
  large.replaceChildren(image.cloneNode(), make("p", {}, image.alt), button("Close", () => large.close(), "control"));
  if (!large.open) large.showModal();
};
on(large, "close", () => shown.parentNode.focus());
const images = all(".image").map((row) => all("img", row)).filter((row) => row.length);
for (const image of images.flat()) {
  const opener = button("", () => show(image));
  image.replaceWith(opener);
  opener.append(image);
}
on(document, "keydown", (event) => {
  const image = large.open ? shown : event.target.querySelector(":scope > img");
  const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!image || !by || modified(event)) return;
  event.preventDefault();
  const row = images.findIndex((row) => row.includes(image));
  const next = images[inside(row + by[0], images)];
  const panel = next[inside(images[row].indexOf(image) + by[1], next)];
  if (large.open) show(panel);
  else panel.parentNode.focus();
});

// Code is selected, and copied where that is allowed.
for (const block of all(".code")) {
  const text = block.querySelector("code");
  const copied = () => { copy.textContent = "Copied"; };
  const copy = button("Copy", () => {
    getSelection().selectAllChildren(text);
    navigator.clipboard.writeText(text.textContent).then(copied, () => {});
  }, "control");
  block.append(copy);
}

// Keys.
const go = (by) => {
  const sections = all("main > section");
  const past = sections.findLastIndex((section) => section.getBoundingClientRect().top < 40);
  // A section at the end may never reach the top.
  const focused = sections.indexOf(document.activeElement);
  const section = sections[inside((focused < 0 ? past : focused) + by, sections)];
  section.tabIndex = -1;
  section.focus({ preventScroll: true });
  section.scrollIntoView();
};
const filter = () => all("input[type=search]").find((field) => field.checkVisibility())?.focus();
const keys = {
  "j": ["next section", () => go(1)],
  "k": ["section before", () => go(-1)],
  "/": ["filter a table", filter],
  "?": ["this list", () => help.showModal()],
  "arrows": ["values of a picture, other images"],
};
const single = make("input", { type: "checkbox", checked: true });
const list = Object.entries(keys).flatMap(([key, [words]]) => [make("dt", {}, key), make("dd", {}, words)]);
const help = make("dialog", { ariaLabel: "Keys" }, make("h2", {}, "Keys"), make("dl", {}, ...list),
  make("p", {}, make("label", {}, single, " Single keys are on")), button("Close", () => help.close(), "control"));
document.querySelector("nav").append(button("Keys", () => help.showModal(), "control"));
document.body.append(large, help);
on(document, "keydown", (event) => {
  const act = keys[event.key]?.[1];
  if (!act || !single.checked || modified(event) || event.target.matches("input") || help.open || large.open) return;
  event.preventDefault();
  act();
});

// A link to a closed section opens it; print opens all.
const open = (what) => { for (const details of all(what)) details.open = true; };
on(window, "hashchange", () => open(":target > details"));
on(window, "beforeprint", () => open("details"));
open(":target > details");
