// Every system against every other, and ranks over the works.

const WINDOW = 15; // systems along one side of the matrix

// Row minus column: {difference, low, high, p}. The page holds those of i < j alone.
function pair(board, i, j) {
  const value = (name) => board.pairs[name][Math.min(i, j)][Math.abs(i - j) - 1];
  const [difference, low, high] = ["difference", "low", "high"].map(value);
  const flip = (each) => (known(each) ? -each : each);
  return { p: value("p"), ...(i < j ? { difference, low, high } : { difference: flip(difference), low: flip(high), high: flip(low) }) };
}

function pairs(board) {
  if (!board.pairs) return [h("p", { class: "muted" }, board.no_pairs)];
  const number = board.pairs.p.length;
  const holder = h("div");
  const blocks = Array.from({ length: Math.ceil(number / WINDOW) }, (_, i) => [String(i), `ranks ${i * WINDOW + 1} to ${Math.min((i + 1) * WINDOW, number)}`]);
  let down = 0, across = 0;
  const draw = () => holder.replaceChildren(drawMatrix(board, down * WINDOW, across * WINDOW));
  draw();
  const controls = blocks.length > 1 && h("div", { class: "controls" },
    labelled("Rows", select(blocks, "0", (value) => { down = +value; draw(); })), labelled("Columns", select(blocks, "0", (value) => { across = +value; draw(); })));
  return [controls, scrolls(holder), h("p", { class: "small muted" },
    number < board.systems.length && `The first ${number} systems. `, direction(board, board.primary) < 0 ? "− the row is better, + the column is better" : "+ the row is better, − the column is better", " (told apart: p below 0.05, corrected for all pairs of the board); without a sign: not told apart; in brackets: nothing can be said. Point at a cell for interval and p.")];
}

function drawMatrix(board, top, left) {
  const range = (start) => board.pairs.p.map((_, i) => i).slice(start, start + WINDOW);
  const sign = direction(board, board.primary);
  const cell = (i, j) => {
    if (i === j) return h("td", { class: "none" }, "·");
    const { difference, low, high, p } = pair(board, i, j), significant = known(p) && p < 0.05;
    const title = `${board.systems[i].name} minus ${board.systems[j].name}: ${signed(difference)} (${between(low, high, signed)}), p ${chance(p)}`;
    return h("td", { class: significant ? (sign * difference > 0 ? "better" : "worse") : "", title }, !known(difference) ? "-" : significant ? signed(difference) : known(p) ? Math.abs(difference).toFixed(3) : `(${Math.abs(difference).toFixed(3)})`);
  };
  return h("table", { class: "matrix" },
    h("thead", {}, h("tr", {}, h("th"), range(left).map((j) => h("th", { scope: "col", title: board.systems[j].name }, String(board.systems[j].rank))))),
    h("tbody", {}, range(top).map((i) => h("tr", {}, h("th", { scope: "row", title: board.systems[i].name }, `${board.systems[i].rank}  `, breakable(board.systems[i].name)), range(left).map((j) => cell(i, j))))));
}

function rankDiagram(board) {
  if (!board.ranks.svg) return [h("p", { class: "muted" }, board.ranks.why_not)];
  const picture = document.importNode(new DOMParser().parseFromString(board.ranks.svg, "image/svg+xml").documentElement, true);
  return [scrolls(h("div", { class: "diagram" }, picture)), h("p", { class: "small muted" },
    `Average rank over ${count(board.ranks.num_blocks, "work")}; 1 is best. Of those that a bar joins, no two are told apart in the table above.`)];
}
