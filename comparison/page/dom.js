// Elements, numbers as text, and what all parts of the page share. Text is only ever set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(3).filter((child) => child != null && child !== false));
  return element;
}

const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);
const readData = (id) => JSON.parse(byId(id).textContent);
const colour = (name) => {
  const probe = h("i", { style: `color: var(${name})` });
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
};

// Of a metric: 1 where higher is better, -1 where lower is, 0 where neither is.
const direction = (board, metric) => ({ higher: 1, lower: -1 })[board.better[metric]] ?? 0;

const known = (value) => value != null && !Number.isNaN(value);
const score = (value) => (known(value) ? value.toFixed(3) : "-");
const signed = (value) => (known(value) ? (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3) : "-");
const between = (low, high, text = score) => (known(low) ? `${text(low)} to ${text(high)}` : "no interval");
const compact = (value) => (known(value) ? new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value) : "-");
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const chance = (p) => (!known(p) ? "-" : p < 0.001 ? "< 0.001" : p.toFixed(3));
const seconds = (value) => (!known(value) ? "-" : value < 100 ? `${+value.toPrecision(3)} s` : value < 6000 ? `${(value / 60).toFixed(1)} min` : `${(value / 3600).toFixed(1)} h`);
const memory = (value) => (!known(value) ? "-" : value < 2 ** 30 ? `${(value / 2 ** 20).toFixed(0)} MiB` : `${(value / 2 ** 30).toFixed(1)} GiB`);
const clock = (value) => `${Math.floor(value / 60)}:${(value % 60).toFixed(2).padStart(5, "0")}`;
const ratio = (value) => (known(value) ? String(+value.toPrecision(3)) : "-");

// Long names may break behind "/" and "_".
const breakable = (name) => h("span", {}, name.split(/(?<=[/_])/).flatMap((piece) => [piece, h("wbr")]));

// In the middle: names of systems differ at their ends.
function cut(text, length) {
  if (text.length <= length) return text;
  const kept = Math.max(length - 1, 2), end = Math.floor(kept / 2);
  return `${text.slice(0, kept - end)}…${text.slice(-end)}`;
}

const announce = (text) => { byId("announce").textContent = text; };

const select = (choices, value, onchange, attributes = {}) => {
  const box = h("select", { ...attributes, onchange: () => onchange(box.value) }, choices.map(([key, text]) => h("option", { value: key }, text)));
  box.value = value;
  return box;
};

// Above a table; seen only while there is more of it to the right.
const moreColumns = () => h("span", { class: "small more", "aria-hidden": "true" }, "More columns to the right →");

const labelled = (text, control) => h("label", {}, text, control);

function part(id, title, about, ...children) {
  return h("section", { class: "part", id, "aria-label": title }, h("h2", {}, title), about && h("p", { class: "muted" }, about), ...children);
}

// Shows at which side `scroller` has more than is seen: the style fades that edge of `frame`, and shows its hint.
function showEdges(scroller, frame) {
  const show = () => {
    frame.classList.toggle("more-left", scroller.scrollLeft > 1);
    frame.classList.toggle("more-right", scroller.scrollLeft + scroller.clientWidth < scroller.scrollWidth - 1);
  };
  const watcher = new ResizeObserver(show);
  [scroller, ...scroller.children].forEach((each) => watcher.observe(each));
  scroller.addEventListener("scroll", show, { passive: true });
}

// What may be wider than the screen.
function scrolls(...children) {
  const scroller = h("div", { class: "scrolls" }, h("div", { class: "content" }, ...children)), frame = h("div", { class: "edges" }, scroller);
  showEdges(scroller, frame);
  return frame;
}

// Draws again whenever the width of `figure` changes.
function responsive(draw) {
  const figure = h("figure");
  let width = 0;
  new ResizeObserver(() => {
    const now = figure.clientWidth;
    if (now && now !== width) { width = now; figure.replaceChildren(draw(now)); }
  }).observe(figure);
  return { figure, redraw: () => width && figure.replaceChildren(draw(width)) };
}

// Canvases do not follow the theme by themselves: draws again while `element` is on the page.
function whenRecoloured(element, draw) {
  const listener = () => (element.isConnected ? draw() : removeEventListener("recolour", listener));
  addEventListener("recolour", listener);
}

function openDialog(dialog, ...children) {
  dialog.replaceChildren();
  fill(dialog, {}, [h("button", { class: "close", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕"), ...children]);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

// A table of Tabulator whose cells are elements (never HTML text), and which the keyboard reaches.
function dataTable(holder, rows, columns, options) {
  const table = new Tabulator(holder, {
    data: rows, layout: "fitDataFill", headerSortClickElement: "header", columnDefaults: { headerHozAlign: "left", vertAlign: "middle", resizable: false },
    height: rows.length > 25 ? "min(70vh, 46rem)" : false, renderVertical: rows.length > 25 ? "virtual" : "basic", ...options,
    columns: columns.map(({ title, ...column }) => ({
      title: "", titleFormatter: () => (typeof title === "string" ? breakable(title) : title), sorterParams: { alignEmptyValues: "bottom" }, headerSortStartingDir: column.sorter === "number" ? "desc" : "asc", ...column,
    })),
    rowFormatter: (row) => { row.getElement().tabIndex = row.getPosition() === 1 ? 0 : -1; },
  });
  holder.addEventListener("keydown", (event) => {
    const header = event.target.closest(".tabulator-col");
    if (header && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); header.click(); return; }
    if (!event.target.matches(".tabulator-row") || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    const row = table.getRows("active").find((each) => each.getElement() === event.target);
    const next = row && (event.key === "ArrowDown" ? row.getNextRow() : row.getPrevRow());
    if (next) { next.getElement().tabIndex = -1; next.getElement().focus(); }
  });
  table.on("tableBuilt", () => {
    holder.querySelectorAll(".tabulator-col.tabulator-sortable").forEach((header) => { header.tabIndex = 0; });
    showEdges(holder.querySelector(".tabulator-tableholder"), holder);
    table.redraw(true); // rows were measured before the columns had their widths
  });
  return table;
}
