// Charts of one board: means with intervals, and score against cost.

const ROWS = 30; // systems in the chart of intervals before "show all"

const ticks = (from, to, number) => {
  const step = [1, 2, 2.5, 5, 10].map((base) => base * 10 ** Math.floor(Math.log10((to - from) / number))).find((each) => (to - from) / each <= number);
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) => +((first + i) * step).toPrecision(10));
};

function intervals(board) {
  let all = board.systems.length <= ROWS;
  const chart = responsive((width) => drawIntervals(board, width, all ? board.systems : board.systems.slice(0, ROWS)));
  const more = h("button", { type: "button", onclick: () => { all = true; more.remove(); chart.redraw(); } }, `Show all ${board.systems.length}`);
  return [chart.figure, !all && more];
}

function drawIntervals(board, width, systems) {
  const [from, to] = extent(board, board.primary);
  const left = Math.min(width * 0.38, 260), height = 24, bottom = systems.length * height + 8;
  const x = (value) => left + ((value - from) / (to - from)) * (width - left - 16);
  const row = (system, i) => {
    const [mean, low, high] = system.metrics[board.primary] ?? [], y = i * height + height / 2 + 4;
    return s("g", {},
      s("title", {}, `${system.name}: ${score(mean)} (${between(low, high)})`),
      s("text", { x: left - 12, y: y + 4, "text-anchor": "end" }, cut(system.name, Math.floor((left - 12) / 7))),
      s("line", { class: "rule", x1: left, x2: width - 8, y1: y, y2: y, "stroke-dasharray": "1 4" }),
      known(low) && s("line", { class: "range", x1: x(low), x2: x(high), y1: y, y2: y }),
      system.runs.length > 1 && system.runs.filter((run) => known(run.score)).map((run) => s("circle", { class: "seed", cx: x(Math.min(Math.max(run.score, from), to)), cy: y, r: 3.5 })),
      known(mean) && s("circle", { class: isTop(system) ? "mean top" : "mean", cx: x(mean), cy: y, r: 5 }));
  };
  return s("svg", { width, height: bottom + 26, role: "img", "aria-label": `Means of ${board.primary}, each with its ${board.range}` },
    ticks(from, to, width < 600 ? 4 : 8).map((tick) => [s("line", { class: "rule", x1: x(tick), x2: x(tick), y1: 4, y2: bottom }), s("text", { class: "soft", x: x(tick), y: bottom + 16, "text-anchor": "middle" }, String(tick))]),
    systems.map(row));
}

// Those that nothing cheaper reaches. sign: -1 where lower is better.
function paretoFront(points, sign) {
  let best = -Infinity;
  return [...points].sort((p, q) => p.cost - q.cost || sign * (q.score - p.score)).filter((point) => sign * point.score > best && (best = sign * point.score, true));
}

function costs(board) {
  const points = (key) => board.systems.filter((system) => system.cost[key] > 0 && known(system.metrics[board.primary]?.[0])).map((system) => ({ system, cost: system.cost[key], score: system.metrics[board.primary][0] }));
  const choices = Object.keys(COSTS).filter((key) => points(key).length > 1);
  if (!choices.length) return [h("p", { class: "muted" }, "Fewer than two systems come with a cost.")];
  let key = choices.includes("macs_per_second_of_audio") ? "macs_per_second_of_audio" : choices[0];
  const caption = h("figcaption", { class: "small muted" });
  const chart = responsive((width) => {
    caption.textContent = `Cheaper is to the left. The line joins the systems that nothing cheaper reaches.${key === "macs_per_second_of_audio" || key === "params" ? "" : " Seconds and bytes depend on the machine, and on what else it did."}`;
    return drawCosts(board, points(key), key, width);
  });
  const control = labelled("Cost", select(choices.map((each) => [each, COSTS[each][0]]), key, (value) => { key = value; chart.redraw(); }, { class: "cost" }));
  return [h("div", { class: "controls" }, control), chart.figure, caption];
}

function drawCosts(board, points, key, width) {
  const height = Math.min(420, Math.max(280, width * 0.6)), left = 46, bottom = height - 40, text = COSTS[key][1];
  const logs = points.map(({ cost }) => Math.log10(cost)), values = points.map((point) => point.score);
  const span = (list, least) => { const low = Math.min(...list), high = Math.max(...list), room = Math.max((high - low) * 0.1, least); return [low - room, high + room]; };
  const [x0, x1] = span(logs, 0.1), [y0, y1] = span(values, 0.01);
  const x = (cost) => left + ((Math.log10(cost) - x0) / (x1 - x0)) * (width - left - 16);
  const y = (value) => bottom - ((value - y0) / (y1 - y0)) * (bottom - 14);
  const front = paretoFront(points, direction(board, board.primary)), onFront = new Set(front);
  const decades = [1, 2, 5].flatMap((base) => Array.from({ length: 40 }, (_, i) => base * 10 ** (i - 20))).filter((each) => Math.log10(each) > x0 && Math.log10(each) < x1).sort((p, q) => p - q);
  const marks = decades.filter((_, i) => i % Math.ceil(decades.length / 6) === 0);
  const line = front.map((point, i) => `${i ? `H${x(point.cost)}V` : `M${x(point.cost)} `}${y(point.score)}`).join("");
  const taken = [];
  const label = (point) => {
    const name = cut(point.system.name, 24), w = name.length * 7, right = x(point.cost) + w + 10 < width;
    const box = { x: right ? x(point.cost) + 8 : x(point.cost) - 8 - w, y: y(point.score) - 8, w };
    if (taken.some((other) => Math.abs(other.y - box.y) < 13 && box.x < other.x + other.w && other.x < box.x + box.w)) return null;
    taken.push(box);
    return s("text", { x: box.x, y: box.y + 4 }, name);
  };
  return s("svg", { width, height, role: "img", "aria-label": `${board.primary} against ${COSTS[key][0]}; on the front: ${front.map(({ system }) => system.name).join(", ")}` },
    ticks(y0, y1, 5).map((tick) => [s("line", { class: "rule", x1: left, x2: width - 8, y1: y(tick), y2: y(tick) }), s("text", { class: "soft", x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick))]),
    marks.map((tick) => s("text", { class: "soft", x: x(tick), y: bottom + 18, "text-anchor": "middle" }, text(tick))),
    s("text", { class: "soft", x: width - 8, y: height - 4, "text-anchor": "end" }, `${COSTS[key][0]} (log)`),
    s("path", { class: "front", d: line }),
    points.map((point) => s("circle", { class: onFront.has(point) ? "mean" : "behind", cx: x(point.cost), cy: y(point.score), r: onFront.has(point) ? 5.5 : 4 }, s("title", {}, `${point.system.name}: ${score(point.score)}, ${text(point.cost)}`))),
    [...front].reverse().map(label), points.length <= 12 && points.filter((point) => !onFront.has(point)).map(label));
}
