// The tracks of one board: where systems fail, and where one beats another.

function failures(board) {
  const systems = board.systems.map((system, i) => [String(i), `${system.rank}  ${system.name}`]);
  const view = { metric: Object.keys(board.scores)[0], a: 0, b: Math.min(1, board.systems.length - 1), which: "all", threshold: 0.5, text: "" };
  const holder = h("div", { class: "tracks" });
  const sign = () => direction(board, view.metric), worstFirst = () => (sign() < 0 ? "desc" : "asc");
  const sounding = new Set(board.with_sound), doubted = new Set(board.audit?.ids);
  let table;
  const rows = () => board.tracks.map(([id, work, length], i) => {
    const values = board.scores[view.metric].map((scores) => scores[i]).filter(known);
    const a = board.scores[view.metric][view.a][i], b = board.scores[view.metric][view.b][i];
    const low = Math.min(...values), high = Math.max(...values), best = values.length && sign() ? (sign() > 0 ? high : low) : null;
    return { i, id, work, length, best, a, b, excerpt: id in board.excerpts, sound: sounding.has(id), spread: values.length ? high - low : null, lead: known(a) && known(b) ? a - b : null,
      mean: values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null };
  });
  const wanted = (row) => (!view.text || `${row.id} ${row.work}`.toLowerCase().includes(view.text))
    && (view.which === "all" || (view.which === "nobody" && known(row.best) && sign() * row.best < sign() * view.threshold)
      || (view.which === "a" && sign() * row.lead > 0) || (view.which === "b" && sign() * row.lead < 0) || (view.which === "doubt" && doubted.has(row.id)) || (view.which === "excerpt" && row.excerpt));
  const state = h("p", { class: "small muted found", role: "status" });
  const refilter = () => table.setFilter(wanted);
  const update = () => table.replaceData(rows()).then(refilter);
  const chooser = (key, letter) => labelled(h("b", { style: `color: var(--${key})` }, letter), select(systems, String(view[key]), (value) => { view[key] = +value; update(); }, { class: `system-${key}` }));
  const which = (key, text) => h("button", { type: "button", "data-which": key, "aria-pressed": key === view.which ? "true" : "false", onclick: (event) => {
    view.which = key;
    event.target.parentElement.querySelectorAll("[data-which]").forEach((each) => each.setAttribute("aria-pressed", each.dataset.which === key ? "true" : "false"));
    refilter();
  } }, text);
  const open = (id) => openTrack(board, id, { a: view.a, b: view.b, order: table.getRows("active").map((row) => row.getData().id) });

  requestAnimationFrame(() => {
    table = dataTable(holder, rows(), trackColumns(board, view, open), { initialSort: [{ column: "mean", dir: worstFirst() }], placeholder: "No track is like that.", index: "i", layout: "fitColumns", rowHeight: innerWidth > 760 ? 46 : 66 });
    table.on("dataFiltered", (_, found) => { state.textContent = `${found.length} of ${count(board.tracks.length, "track")}`; });
    table.on("tableBuilt", refilter);
    holder.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches(".tabulator-row")) open(table.getRows("active").find((row) => row.getElement() === event.target).getData().id);
    });
    whenRecoloured(holder, () => table.getRows("visible").forEach((row) => row.reformat()));
  });
  const metrics = Object.keys(board.scores);
  return [
    h("div", { class: "controls" },
      chooser("a", "A"), board.systems.length > 1 && chooser("b", "B"),
      metrics.length > 1 && labelled("Metric", select(metrics.map((name) => [name, name]), view.metric, (value) => { view.metric = value; update().then(() => table.setSort("mean", worstFirst())); }))),
    h("div", { class: "controls" }, which("all", "All"), which("nobody", "Nobody reaches"),
      h("input", { type: "number", "aria-label": "Threshold", step: 0.05, value: view.threshold, oninput: (event) => { view.threshold = +event.target.value; refilter(); } }),
      board.systems.length > 1 && [which("a", "A beats B"), which("b", "B beats A")],
      doubted.size > 0 && which("doubt", "Labels in doubt"),
      Object.keys(board.excerpts).length > 0 && which("excerpt", board.with_sound.length ? "To listen to" : "With an excerpt"),
      h("input", { type: "search", placeholder: "Filter tracks", "aria-label": "Filter tracks", oninput: (event) => { view.text = event.target.value.toLowerCase(); refilter(); } })),
    h("div", { class: "controls" }, state, moreColumns()), holder];
}

function trackColumns(board, view, open) {
  const number = (title, field, text = score, more = {}) => ({ title, field, sorter: "number", hozAlign: "right", headerHozAlign: "right", minWidth: 76, formatter: (cell) => document.createTextNode(text(cell.getValue())), ...more });
  const letter = (key) => h("b", { style: `color: var(--${key})` }, key.toUpperCase());
  const wide = innerWidth > 760, compared = board.systems.length > 1, worstFirst = { headerSortStartingDir: direction(board, view.metric) < 0 ? "desc" : "asc" };
  return [
    { title: "track", field: "id", sorter: "string", frozen: true, minWidth: wide ? 150 : 132, widthGrow: 3, formatter: (cell) => {
      const { id, work, sound } = cell.getData();
      return h("span", { class: "name" }, h("button", { type: "button", onclick: () => open(id) }, breakable(id)), sound && h("span", { title: "with sound" }, " ♪"), work !== id && h("span", { class: "sub" }, work));
    } },
    { title: wide ? "all systems" : "all", field: "strip", headerSort: false, minWidth: wide ? 190 : 80, widthGrow: 3, formatter: (cell) => strip(board, view, cell.getData().i, cell.getColumn().getWidth() - 24) },
    number("mean", "mean", score, worstFirst), number("best", "best", score, worstFirst), compared && number("spread", "spread"),
    number(letter("a"), "a", score, worstFirst), compared && number(letter("b"), "b", score, worstFirst),
    compared && number(h("span", {}, letter("a"), " minus ", letter("b")), "lead", signed, { minWidth: 112 }), number("length", "length", seconds),
  ].filter(Boolean);
}

const extents = new Map();

// Scores are mostly in 0 to 1; where they are not, from the lowest to the highest of the board.
function scoreRange(board, metric) {
  const key = `${board.id} ${metric}`;
  if (!extents.has(key)) {
    let low = 0, high = 1;
    for (const scores of board.scores[metric]) for (const value of scores) if (known(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    extents.set(key, [low, high]);
  }
  return extents.get(key);
}

// One dot per system; A and B in their colours. A canvas, as there may be hundreds of dots in hundreds of rows.
function strip(board, view, i, width) {
  const height = 22, canvas = h("canvas", { width: width * devicePixelRatio, height: height * devicePixelRatio, style: `width: ${width}px; height: ${height}px`, role: "img" });
  const values = board.scores[view.metric].map((scores) => scores[i]), [low, high] = scoreRange(board, view.metric);
  canvas.setAttribute("aria-label", `A ${score(values[view.a])}, B ${score(values[view.b])}`);
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  const x = (value) => 6 + ((value - low) / (high - low)) * (width - 12);
  pen.strokeStyle = theme.rule;
  pen.beginPath(); pen.moveTo(0, height / 2); pen.lineTo(width, height / 2); pen.stroke();
  const dot = (value, radius, fillStyle, alpha) => {
    if (!known(value)) return;
    pen.globalAlpha = alpha; pen.fillStyle = fillStyle;
    pen.beginPath(); pen.arc(x(value), height / 2, radius, 0, 2 * Math.PI); pen.fill();
  };
  values.forEach((value) => dot(value, 3, theme.muted, Math.max(0.12, 0.5 - values.length / 500)));
  // B is a ring, so that it is told from A without colour, and where both are equal.
  dot(values[view.a], 4, theme.a, 1);
  if (view.a !== view.b && known(values[view.b])) { pen.globalAlpha = 1; pen.strokeStyle = theme.b; pen.lineWidth = 2; pen.beginPath(); pen.arc(x(values[view.b]), height / 2, 5.5, 0, 2 * Math.PI); pen.stroke(); }
  return canvas;
}
