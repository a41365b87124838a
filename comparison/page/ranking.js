// The ranked table of one board, and the card of one system.

const COSTS = {
  params: ["parameters", compact],
  macs_per_second_of_audio: ["multiplications per second of audio", compact],
  train_s: ["training time", seconds],
  real_time_factor: ["real-time factor", ratio],
  peak_memory_bytes: ["memory at most", memory],
};

// Smallest and largest end of the intervals of a metric, a little widened.
function extent(board, metric) {
  const ends = board.systems.flatMap(({ metrics }) => metrics[metric] ?? []).filter(known);
  const low = Math.min(...ends), high = Math.max(...ends), room = (high - low || 0.1) * 0.04;
  return ends.length ? [low - room, high + room] : [0, 1];
}

function intervalBar([mean, low, high], [from, to], width = 110) {
  if (!known(mean)) return null;
  const x = (value) => ((value - from) / (to - from)) * (width - 8) + 4;
  return s("svg", { width, height: 14, "aria-hidden": "true" },
    s("line", { class: "rule", x1: 0, x2: width, y1: 7, y2: 7 }),
    known(low) && s("line", { class: "range", x1: x(low), x2: x(high), y1: 7, y2: 7 }),
    s("circle", { class: "mean", cx: x(mean), cy: 7, r: 4 }));
}

function rankingColumns(board, wide) {
  const cell = (make) => (cell) => make(cell.getData());
  const number = (title, field, text, more = {}) => ({ title, field, sorter: "number", hozAlign: "right", headerHozAlign: "right", minWidth: 76, maxInitialWidth: 130, formatter: cell((row) => document.createTextNode(text(row[field]))), ...more });
  const metric = (name, i) => {
    const range = extent(board, name), primary = name === board.primary;
    return {
      title: name, field: `metric${i}`, sorter: "number", headerSortStartingDir: direction(board, name) < 0 ? "asc" : "desc", minWidth: primary && wide ? 250 : 110, maxInitialWidth: primary && wide ? 300 : 130, cssClass: "tall",
      formatter: cell(({ system }) => {
        const [mean, low, high] = system.metrics[name] ?? [];
        const text = h("span", {}, h(primary && isTop(system) ? "b" : "span", {}, score(mean)), h("span", { class: "sub" }, known(mean) ? between(low, high) : ""));
        return h("span", { class: "estimate" }, text, primary && wide && intervalBar([mean, low, high], range));
      }),
    };
  };
  const names = [board.primary, ...board.metrics.filter((name) => name !== board.primary)];
  const [primary, ...others] = names.map(metric);
  return [
    number("rank", "rank", ratio, { frozen: true, minWidth: 50, headerSortStartingDir: "asc" }),
    // On a phone the rank stands before the name, so that most of the width is left to what scrolls.
    { title: "system", field: "name", sorter: "string", frozen: true, minWidth: wide ? 190 : 100, maxWidth: wide ? 340 : 132, cssClass: "tall",
      formatter: cell(({ system }) => h("span", { class: isTop(system) ? "name strong" : "name" }, !wide && h("span", { class: "place" }, ratio(system.rank)),
        h("span", {}, h("button", { type: "button", onclick: () => showSystem(board, system) }, breakable(system.name)), system.warning && h("span", { class: "sub warn" }, "▲ ", system.warning)))) },
    primary,
    { title: "behind the best", field: "difference", sorter: "number", headerSortStartingDir: direction(board, board.primary) < 0 ? "asc" : "desc", minWidth: 168, cssClass: "tall",
      formatter: cell(({ system }) => h("span", {}, system.difference ? signed(system.difference[0]) : "-", system.difference && h("span", { class: "sub" }, known(system.difference[3]) ? `${between(system.difference[1], system.difference[2], signed)}, p ${chance(system.difference[3])}` : "nothing can be said"))) },
    ...others,
    number("seeds", "seeds", ratio), number("tracks", "tracks", ratio), number("trials", "trials", ratio),
    number("expected best of its trials, validation", "expected", score), number("times scored on this split", "looks", ratio),
    ...Object.entries(COSTS).map(([field, [title, text]]) => number(title, field, text, { headerSortStartingDir: "asc" })),
    { title: "tested works in training", field: "training", sorter: "string", minWidth: 110, cssClass: "tall", formatter: cell((row) => h("span", { class: row.system.warning ? "warn" : "" }, row.training)) },
  ];
}

const rankingRow = (board) => (system) => ({
  system, rank: system.rank, name: system.name, difference: system.difference?.[0], seeds: system.seeds, tracks: system.tracks, trials: system.trials,
  expected: system.expected_best.at(-1), looks: system.looks, training: system.training, ...system.cost,
  ...Object.fromEntries([board.primary, ...board.metrics.filter((name) => name !== board.primary)].map((name, i) => [`metric${i}`, system.metrics[name]?.[0]])),
});

function ranking(board) {
  const holder = h("div", { class: "ranking" }), wide = innerWidth > 760;
  const columns = rankingColumns(board, wide), rows = board.systems.map(rankingRow(board));
  const empty = ({ field }) => rows.every((row) => !known(row[field]) || (field === "training" && row[field] === "no"));
  const first = new Set([...(wide ? ["rank"] : []), "name", "difference", "seeds", "params", "train_s", "training", "trials", "macs_per_second_of_audio"]);
  columns.forEach((column) => { column.visible = !empty(column) && (first.has(column.field) || /^metric[0-3]$/.test(column.field)); });
  const shown = h("div");
  const filter = h("input", { type: "search", placeholder: "Filter systems  (/)", "aria-label": "Filter systems", class: "filter" });
  requestAnimationFrame(() => {
    const table = dataTable(holder, rows, columns, { initialSort: [{ column: "rank", dir: "asc" }], placeholder: "No system has this in its name." });
    filter.addEventListener("input", () => table.setFilter((row) => row.name.toLowerCase().includes(filter.value.toLowerCase())));
    shown.replaceChildren(...columns.slice(2).map(({ title, field, visible }) => labelled("", h("span", {},
      h("input", { type: "checkbox", checked: visible, onchange: () => table.toggleColumn(field) }), " ", title))));
  });
  return [h("div", { class: "controls" }, filter, h("details", { class: "columns" }, h("summary", {}, "Columns"), shown), moreColumns()), holder];
}

function showSystem(board, system) {
  const run = ({ run_id, seed, score: value, path }) => h("tr", {},
    h("td", { class: "mono" }, run_id), h("td", {}, known(seed) ? String(seed) : "-"), h("td", {}, score(value)), h("td", { class: "small muted" }, path));
  openDialog(byId("card"),
    h("h2", {}, system.name),
    h("p", { class: "muted" }, `${known(system.rank) ? `Rank ${system.rank}` : "Not ranked"} of ${board.systems.length}: ${board.title}`),
    h("dl", { class: "facts" }, Object.entries(system.choices).flatMap(([key, value]) => [h("dt", {}, key), h("dd", {}, value)])),
    system.warning && h("p", { class: "warn" }, "▲ ", system.warning),
    system.expected_best.length > 1 && [h("h3", {}, "Expected best of its trials, on validation"), h("p", { class: "small" }, system.expected_best.map((value, i) => `${i + 1}: ${score(value)}`).join("   "))],
    h("h3", {}, "Runs"),
    scrolls(h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ["run id", "seed", board.primary, "file"].map((text) => h("th", { scope: "col" }, breakable(text))))), h("tbody", {}, system.runs.map(run)))),
    system.paper && h("p", {}, "From elsewhere: ", system.paper),
    system.reproducible && [h("h3", {}, "To train it again"), h("p", {}, h("code", {}, `python leaderboard.py reproduce ${system.runs[0].run_id}`))]);
}
