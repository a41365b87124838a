// The page itself: overview, one board at a time, light and dark, keys.

const page = readData("page");
const estimateText = ([mean, low, high] = []) => `${score(mean)}${known(low) ? ` (${between(low, high)})` : ""}`;

function overview() {
  const { boards, problems, average_ranks: averages } = page;
  const head = (names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name))));
  const apart = boards.filter((board) => board.apart);
  return [
    h("h1", {}, page.title),
    h("p", { class: "lead" }, `${count(page.num_results, "result")} on ${count(boards.length, "board")}. Systems are ranked together only where task, data, split and protocol are the same. Each board says what its ranges are.`),
    part("all-boards", "Boards", "", scrolls(h("table", { class: "plain" }, head(["board", "first", "score", "systems", "tracks"]), h("tbody", {}, boards.map((board) => {
      const first = board.systems[0];
      return h("tr", {}, h("th", { scope: "row" }, h("a", { href: `#${board.id}` }, board.title)), h("td", {}, first?.name ?? "-"),
        h("td", {}, estimateText(first?.metrics[board.primary]), h("span", { class: "sub" }, breakable(board.primary))), h("td", {}, String(board.systems.length)), h("td", {}, String(board.tracks.length)));
    }))))),
    averages && part("average-ranks", "Average ranks", `Over ${count(averages.boards.length, "board")}: ${averages.boards.join("; ")}. 1 is best.${averages.num_missing ? ` ${count(averages.num_missing, "system")} that are not on all of them are left out.` : ""}`,
      scrolls(h("table", { class: "plain" }, head(["system", "average rank"]), h("tbody", {}, averages.systems.map(([name, rank]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, rank.toFixed(2)))))))),
    apart.length > 0 && part("apart", "What stands apart, and why", "", h("ul", { class: "notes" }, apart.map((board) => h("li", {}, h("a", { href: `#${board.id}` }, board.title), `: ${board.apart}`)))),
    problems.length > 0 && part("problems", "Files that were left out", "", h("ul", { class: "notes" }, problems.map(({ path, text }) => h("li", {}, h("code", {}, path), `: ${text}`)))),
  ];
}

const isTop = ({ verdict }) => ["best", "not told apart"].includes(verdict);

function whatIsOpened({ excerpts, with_sound: sound, with_estimates: estimates }) {
  if (estimates.length) return `Open a track${sound.length ? " with ♪ to hear it, and" : ""} to see what went wrong.`;
  if (sound.length) return "Open a track with ♪ to hear it.";
  return Object.keys(excerpts).length ? "Open a track to see its reference." : "Open a track to see the scores of all systems.";
}

// Tracks on which the systems agree with each other against the labels.
function labelAudit(board) {
  const { ids, headers, rows, scores, summary } = board.audit, open = (id) => openTrack(board, id, { a: 0, b: Math.min(1, board.systems.length - 1), order: ids });
  const cell = (text) => h("td", {}, text), head = (names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, breakable(name)))));
  return [
    ids.length > 0 && scrolls(h("table", { class: "plain" }, head(headers), h("tbody", {}, rows.map(([name, ...rest], i) =>
      h("tr", {}, h("th", { scope: "row" }, h("button", { type: "button", onclick: () => open(ids[i]) }, breakable(name))), rest.map(cell)))))),
    ids.length > 0 && [h("h3", {}, "Scores without these tracks"), scrolls(h("table", { class: "plain" }, head(scores[0]), h("tbody", {}, scores.slice(1).map(([name, ...rest]) => h("tr", {}, h("th", { scope: "row" }, name), rest.map(cell))))))],
    h("ul", { class: "notes" }, summary.map((line) => h("li", {}, line))),
  ];
}

function boardPage(board) {
  const best = board.systems[0];
  const works = new Set(board.tracks.map((track) => track[1])).size;
  const { audit } = board;
  const contents = [...(audit ? [["audit", "Label audit"]] : []), ["ranking", "Ranking"], ["intervals", "Intervals"], ["cost", "Cost"], ["pairs", "Pairs"], ["failures", "Tracks"], ["protocol", "Protocol"]];
  return [
    h("h1", {}, board.title),
    best && h("p", { class: "lead" }, h(isTop(best) ? "b" : "span", {}, best.name), ` is first of ${board.systems.length}: ${estimateText(best.metrics[board.primary])}, ${board.primary}, on ${count(board.tracks.length, "track")} of ${count(works, "work")}. `, board.statement),
    board.apart && h("p", { class: "apart" }, board.apart),
    h("ul", { class: "contents", "aria-label": "On this board" }, contents.map(([id, text]) => h("li", {}, h("a", { href: `#${board.id}`, onclick: (event) => { event.preventDefault(); byId(id).scrollIntoView(); } }, text)))),
    audit && part("audit", "Label audit", "", labelAudit(board)),
    part("ranking", "Ranking", `Ranked by ${board.primary}${board.better[board.primary] ? `; ${board.better[board.primary]} is better` : ""}. ${board.method}${board.systems.some(isTop) ? " In bold: the best, and what is not told apart from it." : ""}`, ranking(board),
      board.published.length > 0 && [h("h3", {}, "Published"), h("ul", { class: "notes" }, board.published.map(({ name, metrics, source }) => h("li", {}, `${name}: ${Object.entries(metrics).map(([metric, value]) => `${metric} ${score(value)}`).join(", ")}. Without an interval, and not ranked. Read in ${source}.`)))],
      board.notes.length > 0 && [h("h3", {}, "Notes"), h("ul", { class: "notes" }, board.notes.map((note) => h("li", {}, note)))]),
    h("div", { class: "halves" },
      part("intervals", "Means and intervals", `Filled: the mean with its ${board.range}.${board.systems.some(({ runs }) => runs.length > 1) ? " Rings: one seed each." : ""}${board.systems.some(isTop) ? " Green: the best, and what is not told apart from it." : ""}`, intervals(board)),
      part("cost", "Score against cost", "", costs(board))),
    part("pairs", "Every pair", known(board.detectable) ? `Row minus column, on the same tracks. With these tracks and seeds, differences below ${board.detectable.toFixed(3)} are told apart less than 80 % of the time.` : "Row minus column, on the same tracks.", pairs(board), h("h3", {}, "Ranks over the works"), rankDiagram(board)),
    part("failures", "Tracks, worst first", `Each dot is a system. ${whatIsOpened(board)}`, failures(board)),
    part("protocol", "Protocol", "Conventions that move a score. Results under another protocol are on another board.",
      h("dl", { class: "facts" }, [...Object.entries(board.protocol).map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]),
        ["protocol id", board.protocol_name ? `${board.protocol_id} (${board.protocol_name})` : board.protocol_id], ["data fingerprint", board.fingerprint], ["to cite", `${board.title}; data ${board.fingerprint}, protocol ${board.protocol_id}`], ["runs", board.systems.flatMap(({ runs }) => runs.map((run) => run.run_id)).filter((id, i, ids) => ids.indexOf(id) === i).slice(0, 60).join(" ")]]
        .flatMap(([key, value]) => [h("dt", {}, key), h("dd", { class: "mono" }, value)]))),
  ];
}

function route() {
  const [id, track] = location.hash.slice(1).split("/"), board = page.boards.find((each) => each.id === id) ?? (page.boards.length === 1 ? page.boards[0] : null);
  if (byId("main").dataset.board !== (board?.id ?? "overview")) {
    extents.clear();
    byId("main").dataset.board = board?.id ?? "overview";
    byId("main").replaceChildren(...(board ? boardPage(board) : overview()).flat().filter(Boolean));
    document.title = board ? `${board.title} · ${page.title}` : page.title;
    byId("boards").querySelectorAll("a").forEach((link) => { if (link.hash === `#${board?.id ?? ""}`) { link.setAttribute("aria-current", "page"); link.scrollIntoView({ block: "nearest", inline: "nearest" }); } else link.removeAttribute("aria-current"); });
    scrollTo(0, 0);
  }
  const name = track && decodeURIComponent(track);
  if (board && name && board.tracks.some((each) => each[0] === name)) openTrack(board, name, { a: 0, b: Math.min(1, board.systems.length - 1), order: board.tracks.map((each) => each[0]) });
  else for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

function showKeys() {
  const keys = [["?", "this list"], ["t", "light or dark"], ["/", "filter the systems"], ["↑ ↓ Enter", "in a list of tracks: move, open"], ["Space", "in a track: play or pause"], ["← →", "back or on by a second; with Shift by five"],
    ...(page.boards.some((board) => board.with_estimates.length) ? [["n  p", "next or previous error"], ["a  b", "show system A or B"]] : []), ["+  −", "zoom in time"], ["f", "fit the pitches, or show all"], ["[  ]", "previous or next track"], ["Escape", "close"]];
  openDialog(byId("keys"), h("h2", {}, "Keys"), h("dl", { class: "facts" }, keys.flatMap(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)])));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const inViewer = byId("viewer").open && viewer && !byId("keys").open;
  const actions = { "?": showKeys, t: switchTheme };
  if (inViewer) Object.assign(actions, { ArrowLeft: () => viewer.seek?.(event.shiftKey ? -5 : -1), ArrowRight: () => viewer.seek?.(event.shiftKey ? 5 : 1), n: () => viewer.error?.(1), p: () => viewer.error?.(-1), a: () => viewer.a?.(), b: () => viewer.b?.(),
    "+": () => viewer.zoom?.(2), "=": () => viewer.zoom?.(2), "-": () => viewer.zoom?.(0.5), f: () => viewer.fit?.(), "[": () => viewer.step(-1), "]": () => viewer.step(1), ...(event.target.closest("button") ? {} : { " ": () => viewer.play?.() }) });
  else if (byId("main").querySelector(".filter")) actions["/"] = () => byId("main").querySelector(".filter").focus();
  if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
});

byId("viewer").addEventListener("close", () => { viewer?.destroy(); viewer = null; history.replaceState(null, "", `#${byId("main").dataset.board === "overview" ? "" : byId("main").dataset.board}`); });
for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
byId("theme").addEventListener("click", switchTheme);
byId("help").addEventListener("click", showKeys);
addEventListener("hashchange", route);

beginTheme();
document.body.append(patterns());
showEdges(byId("boards"), byId("boards").parentElement);
byId("boards").append(...(page.boards.length > 1 ? [h("a", { href: "#" }, "Overview"), ...page.boards.map((board) => h("a", { href: `#${board.id}` }, board.short))] : []));
route();
