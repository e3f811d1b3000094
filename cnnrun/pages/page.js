// Tables that are sorted by their headings and filtered by words and conditions. Without it the page is complete, too.
"use strict";

(() => {
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const condition = /^([^<>=!\s]+)(<=|>=|!=|=|<|>)(\S+)$/;
  const most = 100; // rows that are laid out at once: a thousand of fifteen columns took two seconds
  const compare = {
    "<": (a, b) => a < b,
    "<=": (a, b) => a <= b,
    ">": (a, b) => a > b,
    ">=": (a, b) => a >= b,
    "=": (a, b) => a === b,
    "!=": (a, b) => a !== b,
  };

  const valueOf = (cell) => cell.dataset.value ?? cell.textContent.trim();
  const numberOf = (text) => (text === "" ? NaN : Number(text.replace(/(\d),(?=\d{3})/g, "$1")));

  function read(table) {
    const headings = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows].filter((row) => row.cells.length === headings.length);
    const records = rows.map((row, place) => {
      const cells = [...row.cells];
      const texts = cells.map(valueOf);
      const shown = cells.map((cell) => cell.textContent).join("\n").toLowerCase();
      return { row, place, texts, numbers: texts.map(numberOf), shown, fits: true };
    });
    return {
      body: table.tBodies[0],
      headings,
      names: headings.map((heading) => heading.textContent.trim().toLowerCase().replace(/\s+/g, "_")),
      rows: records,
      order: records,
      whole: false,
      wrong: [],
    };
  }

  // A row without a value comes last, whichever way the others go.
  function order(rows, column, isNumber, sign) {
    const missing = (row) => (isNumber ? Number.isNaN(row.numbers[column]) : row.texts[column] === "");
    return [...rows].sort((a, b) => {
      const without = missing(a) - missing(b);
      if (without || missing(a)) return without || a.place - b.place;
      const difference = isNumber
        ? a.numbers[column] - b.numbers[column]
        : collator.compare(a.texts[column], b.texts[column]);
      return sign * difference || a.place - b.place;
    });
  }

  // Shows the rows that fit, in their order; all of them on request.
  function show(data) {
    let fitting = 0;
    for (const each of data.order) {
      fitting += each.fits;
      const hidden = !each.fits || (fitting > most && !data.whole);
      if (each.row.hidden !== hidden) each.row.hidden = hidden;
    }
    const all = data.rows.length;
    const cut = fitting > most && !data.whole ? `, the first ${most} shown` : "";
    const rows = (fitting === all ? `${all} rows` : `${fitting} of ${all} rows`) + cut;
    data.output.textContent = [rows, ...data.wrong].join("; ");
    data.more.hidden = !cut;
  }

  function makeSortable(data) {
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    data.headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = next[heading.getAttribute("aria-sort")];
        data.headings.forEach((other) => other.setAttribute("aria-sort", other === heading ? direction : "none"));
        const sign = direction === "descending" ? -1 : 1;
        const isNumber = heading.dataset.kind === "number";
        data.order = direction === "none" ? data.rows : order(data.rows, column, isNumber, sign);
        show(data);
        data.body.append(...data.order.map((each) => each.row));
      });
    });
  }

  // lr finds optimizer.lr and accuracy finds test/accuracy, where one column alone is meant.
  function columnOf(data, name) {
    const exact = data.names.indexOf(name);
    if (exact >= 0) return exact;
    const ends = data.names.flatMap((each, place) => (each.endsWith("." + name) || each.endsWith("/" + name) ? place : []));
    return ends.length === 1 ? ends[0] : -1;
  }

  // Returns a test of rows, or the sentence on what is wrong with the word.
  function testOf(data, word) {
    const includes = (row) => row.shown.includes(word);
    const parts = condition.exec(word);
    if (!parts) return includes;
    const [, name, sign, wanted] = parts;
    const column = columnOf(data, name);
    if (column < 0) return sign === "=" ? includes : `no column ${name}`;
    const number = numberOf(wanted);
    const isNumber = !Number.isNaN(number);
    if (!isNumber && sign !== "=" && sign !== "!=") return `${wanted} is no number`;
    const test = (row) =>
      row.texts[column] !== "" &&
      (isNumber ? compare[sign](row.numbers[column], number) : compare[sign](row.texts[column].toLowerCase(), wanted));
    return sign === "=" ? (row) => test(row) || includes(row) : test; // a run's name holds such signs, too
  }

  function makeFilterable(data, input) {
    const filter = () => {
      const tests = input.value.toLowerCase().split(/\s+/).filter(Boolean).map((word) => testOf(data, word));
      data.wrong = tests.filter((test) => typeof test === "string");
      const right = tests.filter((test) => typeof test !== "string");
      data.rows.forEach((each) => (each.fits = right.every((test) => test(each))));
      show(data);
    };
    input.addEventListener("input", filter);
    filter();
  }

  function makeWhole(data) {
    data.more.addEventListener("click", () => {
      data.whole = true;
      show(data);
    });
  }

  for (const section of document.querySelectorAll("section.table")) {
    const data = read(section.querySelector("table"));
    if (data.rows.length < 2) continue;
    const controls = section.querySelector(".controls");
    data.output = controls.querySelector("output");
    data.more = controls.querySelector("button");
    makeSortable(data);
    makeFilterable(data, controls.querySelector("input"));
    makeWhole(data);
    controls.hidden = false;
  }

  // Paper shows everything.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((each) => (each.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((each) => (each.open = false)));
})();
