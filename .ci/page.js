"use strict";
// Opens report pages in Chromium and holds what a page promises: it needs no network, says nothing on the console, breaks no
// rule of its policy, sorts and filters, can be used by keys, fits a phone, prints, and is accessible by axe-core's rules.
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const files = process.argv.slice(2);
const pictures = files[0] === "--pictures" ? files.splice(0, 2)[1] : undefined;
const hold = (holds, words) => { if (!holds) throw new Error(words); };
const same = (one, other, words) => hold(JSON.stringify(one) === JSON.stringify(other), `${words}: ${JSON.stringify(one)}, not ${JSON.stringify(other)}`);

// A page in a context of its own. Whatever it says, asks for, or is refused is a fault.
const opened = async (browser, file, options = {}) => {
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  const address = pathToFileURL(file).href;
  page.on("console", (message) => faults.push(`the console says: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`the script failed: ${error.message}`));
  page.on("dialog", (dialog) => { faults.push(`a dialog opened: ${dialog.message()}`); dialog.dismiss(); });
  page.on("popup", () => faults.push("a window opened"));
  page.on("request", (request) => {
    const asked = request.url();
    if (asked.split("#")[0] !== address && !asked.startsWith("data:")) faults.push(`a request to ${asked}`);
  });
  await page.addInitScript(() => {
    globalThis.refused = [];
    addEventListener("securitypolicyviolation", (event) => refused.push(`${event.effectiveDirective} ${event.blockedURI}`));
  });
  await page.goto(address);
  const close = async () => {
    if (options.javaScriptEnabled !== false) {
      await page.waitForTimeout(50);
      same(await page.evaluate(() => refused), [], "the policy refused something");
    }
    same(faults, [], "faults");
    await context.close();
  };
  return { page, close };
};

const texts = (table, column) => table.locator(`tbody tr:not([hidden]) > :nth-child(${column})`).allInnerTexts();

const sortsAndFilters = async (page) => {
  const table = page.locator("table[data-table]").filter({ has: page.locator("tbody tr:nth-child(3)") }).first();
  if (!(await table.count()) || !(await table.isVisible())) return false;
  const column = 1 + (await table.locator("thead tr > *").evaluateAll((heads) => heads.findIndex((head) => head.className === "number")));
  if (!column) return false;
  const before = await texts(table, column);
  const head = table.locator(`thead th:nth-child(${column})`);
  await head.locator("button").click();
  same(await head.getAttribute("aria-sort"), "descending", "a number sorts with the greatest first");
  const numbers = (await texts(table, column)).map((text) => parseFloat(text.replace("\u2212", "-").replace(/,/g, ""))).filter((number) => !isNaN(number));
  same(numbers, [...numbers].sort((a, b) => b - a), "the rows are not sorted");
  // By keys, back to the first order.
  await head.locator("button").press("Enter");
  same(await head.getAttribute("aria-sort"), "ascending", "Enter turns the order");
  await head.locator("button").press("Space");
  same(await head.getAttribute("aria-sort"), null, "Space restores the first order");
  same(await texts(table, column), before, "the first order is not restored");
  const first = table.locator("thead th:first-child");
  if (await first.count() && await first.getAttribute("class") !== "number") {
    await first.locator("button").click();
    const names = await texts(table, 1);
    same(names, [...names].sort(new Intl.Collator("en", { numeric: true }).compare), "texts are not sorted");
    await first.locator("button").click();
    await first.locator("button").click();
  }
  const field = page.locator("input[type=search]").filter({ visible: true }).first();
  if (await field.count()) {
    const filtered = page.locator(".table").filter({ has: page.locator("input[type=search]"), visible: true }).first().locator("table");
    const rows = await texts(filtered, 1);
    await field.fill(rows[1]);
    const left = await texts(filtered, 1);
    hold(left.includes(rows[1]) && left.length < rows.length, `the filter leaves ${left.length} of ${rows.length} rows`);
    await field.fill("");
    same(await texts(filtered, 1), rows, "an empty filter hides rows");
  }
  return true;
};

const confusions = async (page) => {
  const table = page.locator("figure.confusion table").first();
  if (!(await table.count()) || !(await table.isVisible())) return false;
  const names = () => table.locator("tbody th").allInnerTexts();
  const heads = () => table.locator("thead th").allTextContents();
  const before = await names();
  if (before.length < 3) return false;
  const diagonal = () => table.evaluate((table) => [...table.tBodies[0].rows].map((row, at) => row.cells[at + 1].textContent));
  const counts = [...(await diagonal())].sort();
  await table.locator("tbody th button").nth(2).click();
  same((await names())[0], before[2], "the class that was chosen comes first");
  same(await names(), (await heads()), "rows and columns have one order");
  same([...(await diagonal())].sort(), counts, "the diagonal stays the diagonal");
  await table.locator("tbody tr:first-child td").nth(1).hover();
  hold(/predicted as .*%/.test(await page.locator("figure.confusion .readout").first().innerText()), "a cell is not read out");
  await table.locator("tbody th button").first().press("Enter");
  same(await names(), before, "the first order is not restored");
  return true;
};

const keys = async (page) => {
  await page.keyboard.press("Tab");
  same(await page.evaluate(() => document.activeElement.className), "skip", "the first stop is the skip link");
  await page.keyboard.press("Enter");
  same(await page.evaluate(() => document.activeElement.id), "page.main", "the skip link leads to the content");
  const sections = await page.locator("main > section").evaluateAll((all) => all.map((section) => section.id));
  if (sections.length > 2) {
    await page.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
    for (const at of [0, 1]) {
      await page.keyboard.press("j");
      await page.waitForTimeout(50);
      same(await page.evaluate(() => document.activeElement.id), sections[at], "j leads to the next section");
    }
    await page.keyboard.press("k");
    await page.waitForTimeout(50);
    same(await page.evaluate(() => document.activeElement.id), sections[0], "k leads back");
  }
  await page.keyboard.press("?");
  hold(await page.getByRole("dialog", { name: "Keys" }).isVisible(), "? shows the keys");
  await page.keyboard.press("Escape");
  hold(!(await page.getByRole("dialog", { name: "Keys" }).isVisible()), "Escape closes the keys");
  if (await page.locator("input[type=search]").filter({ visible: true }).count()) {
    await page.keyboard.press("/");
    same(await page.evaluate(() => document.activeElement.type), "search", "/ leads to a filter");
    await page.keyboard.type("?j");
    same(await page.evaluate(() => document.activeElement.value), "?j", "keys in a field are text");
    await page.keyboard.press("Control+A");
    await page.keyboard.press("Delete");
  }
  const chart = page.locator("figure.chart .scroll").first();
  if (await chart.count() && await page.locator("figure.chart .readout").count()) {
    await chart.focus();
    const out = page.locator("figure.chart .readout").first();
    const before = await out.innerText();
    await page.keyboard.press("ArrowRight");
    hold(before !== await out.innerText(), "an arrow key reads a value of a picture");
  }
  const image = page.locator(".image button:has(img)").first();
  if (await image.count()) {
    await image.focus();
    await page.keyboard.press("ArrowRight");
    const alt = () => page.evaluate(() => (document.querySelector("dialog[open] img") ?? document.activeElement.firstElementChild).alt);
    const second = await alt();
    hold(second !== await image.locator("img").getAttribute("alt"), "an arrow key leads to the next panel");
    await page.keyboard.press("Enter");
    same(await alt(), second, "Enter shows the image large");
    await page.keyboard.press("ArrowDown");
    hold(await alt() !== second, "an arrow key leads to the next image");
    await page.keyboard.press("Escape");
    hold(!(await page.locator("dialog[open]").count()), "Escape closes the image");
  }
};

const accessible = async (page, words) => {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const result = await globalThis.axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.length}, as ${nodes[0].html.slice(0, 160)}: ${nodes[0].failureSummary}`);
  });
  same(found, [], `axe-core, ${words}`);
};

const wide = (page) => page.evaluate(() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return "";
  const within = (element) => element.closest(".scroll, pre") ?? element;
  const beyond = [...document.querySelectorAll("main *, header *, nav *")].find((element) => within(element) === element && element.getBoundingClientRect().right > clientWidth + 1);
  return `${scrollWidth} of ${clientWidth} pixels: ${beyond?.outerHTML.slice(0, 120)}`;
});

const check = async (browser, file) => {
  const name = path.basename(file, ".html");
  const picture = async (page, kind, full = true) => { if (pictures) await page.screenshot({ path: path.join(pictures, `${name}-${kind}.png`), fullPage: full }); };
  const done = [];

  const { page, close } = await opened(browser, file);
  hold(await page.title(), "the page has no title");
  hold(await page.getByRole("button", { name: "Keys" }).count(), "the script did not run");
  await picture(page, "light");
  await keys(page);
  if (await sortsAndFilters(page)) done.push("sorts");
  if (await confusions(page)) done.push("confusions");
  const broken = await page.evaluate(() => Promise.all([...document.images].map((image) => image.decode().then(() => "", () => image.alt || "an image"))));
  same(broken.filter(Boolean), [], "images that cannot be decoded");
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  hold(light !== await ground(), "the ground is not dark where dark is asked for");
  await picture(page, "dark");
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  same(await ground(), light, "print is light");
  const hidden = await page.evaluate(() => [...document.querySelectorAll("main > section > details > :not(summary)")].filter((part) => !part.getClientRects().length).length);
  same(hidden, 0, "closed parts are printed");
  hold(!(await page.locator("nav, .controls, .control, .readout").filter({ visible: true }).count()), "controls are printed");
  const pdf = await page.pdf({ format: "A4", printBackground: true, path: pictures && path.join(pictures, `${name}.pdf`) });
  hold(pdf.length > 1000, "the print is empty");
  await close();

  const phone = await opened(browser, file, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  await phone.page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
  same(await wide(phone.page), "", "at 360 pixels the page is too wide");
  await picture(phone.page, "phone");
  await phone.close();

  const still = await opened(browser, file, { javaScriptEnabled: false });
  same(await still.page.locator("button, input").count(), 0, "controls that do nothing without the script");
  await still.close();

  for (const colorScheme of ["light", "dark"]) {
    const { page, close } = await opened(browser, file, { bypassCSP: true, colorScheme });
    await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
    await accessible(page, colorScheme);
    await close();
  }
  return done;
};

(async () => {
  hold(files.length, "no page is given");
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const failed = [];
  const done = new Set();
  for (const file of files) {
    const began = Date.now();
    try {
      (await check(browser, file)).forEach((part) => done.add(part));
      console.log(`${path.basename(file)}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
    } catch (error) {
      failed.push(file);
      console.error(`${file}: ${error.message}`);
    }
  }
  await browser.close();
  if (!failed.length) ["sorts", "confusions"].forEach((part) => hold(pictures || done.has(part), `no page ${part}: nothing was tried`));
  process.exitCode = failed.length ? 1 : 0;
})();
