// One track: spectrogram, reference, what a system made of it, and the sound.

let viewer = null; // the open one, for the keys

function openTrack(board, id, { a, b, order }) {
  viewer?.destroy();
  const i = board.tracks.findIndex((track) => track[0] === id), [, work, length] = board.tracks[i];
  const excerpt = board.excerpts[id] ? readExcerpt(board.excerpts[id]) : null;
  const judged = excerpt && Object.keys(excerpt.estimates).length > 0;
  const primary = Object.keys(board.scores)[0], scores = board.scores[primary].map((each) => each[i]);
  const position = order.indexOf(id), step = (by) => order[position + by] !== undefined && openTrack(board, order[position + by], { a, b, order });
  const named = (system, letter) => h("span", {}, h("b", { style: `color: var(--${letter})` }, letter.toUpperCase()), ` ${board.systems[system].name} ${score(scores[system])}`);
  viewer = { destroy() {}, step };
  const body = h("div");
  openDialog(byId("viewer"),
    h("h2", {}, id),
    h("p", { class: "muted small" }, work !== id && `${work}, `, seconds(length), excerpt && excerpt.end_s - excerpt.start_s < length - 0.01 && `; shown: ${clock(excerpt.start_s)} to ${clock(excerpt.end_s)}${judged ? ", where the systems err most" : ""}`),
    h("div", { class: "controls small" }, `${primary}: `, named(a, "a"), a !== b && named(b, "b"), h("span", {}, "all ", strip(board, { metric: primary, a, b }, i, 170))),
    body,
    h("div", { class: "controls" },
      h("button", { type: "button", disabled: position <= 0, onclick: () => step(-1) }, "← previous track"), h("button", { type: "button", disabled: position >= order.length - 1, onclick: () => step(1) }, "next track →"),
      h("span", { class: "muted small" }, `${position + 1} of ${order.length} in the list`)));
  history.replaceState(null, "", `#${board.id}/${encodeURIComponent(id)}`);
  if (!excerpt) body.append(h("p", { class: "muted" }, board.no_excerpts), scoreList(board, primary, scores));
  else Object.assign(viewer, showExcerpt(board, excerpt, { a, b, step, body, metric: primary, scores }));
  byId("viewer").querySelector(".stage")?.focus({ preventScroll: true });
}

function scoreList(board, metric, scores) {
  const order = board.systems.map((_, i) => i).filter((i) => known(scores[i])).sort((p, q) => (direction(board, metric) || 1) * (scores[q] - scores[p]));
  return scrolls(h("table", { class: "plain scores" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "system"), h("th", { scope: "col", class: "number" }, breakable(metric)))),
    h("tbody", {}, order.map((i) => h("tr", {}, h("th", { scope: "row" }, board.systems[i].name), h("td", { class: "number" }, score(scores[i])))))));
}

function showExcerpt(board, excerpt, { a, b, step, body, metric, scores }) {
  const shown = board.systems.map((system, i) => i).filter((i) => excerpt.estimates[board.systems[i].key]);
  if (excerpt.missing) body.append(h("p", { class: "muted" }, excerpt.missing));
  const state = { system: shown.includes(a) ? a : shown[0], hidden: new Set(), zoom: 1, fit: true, at: excerpt.start_s, now: null, step };
  state.segments = () => excerpt.segments?.[board.systems[state.system]?.key];
  const estimate = () => (state.system === undefined ? [] : excerpt.estimates[board.systems[state.system].key]);
  const visible = () => estimate().filter((mark) => !state.hidden.has(mark.kind));

  const legend = h("div", { class: "legend", "aria-label": "Kinds of marks" }), chips = h("div");
  const view = excerpt.kind === "track" && !excerpt.spectrogram && !excerpt.audio ? null : timeline(excerpt, state, visible, () => board.systems[state.system]?.name);
  const sound = player(excerpt, view, state);
  const chooser = select(shown.map((i) => [String(i), `${board.systems[i].rank}  ${board.systems[i].name}`]), String(state.system), (value) => choose(+value), { class: "shown-system", "aria-label": "System" });

  function choose(system) {
    if (!shown.includes(system)) { announce("There are no predictions of this system for this track."); return; }
    state.system = system; state.now = null; chooser.value = String(system);
    draw();
  }
  function draw() {
    const counts = new Map();
    for (const mark of estimate()) counts.set(mark.kind, (counts.get(mark.kind) ?? 0) + 1);
    legend.replaceChildren(...[["reference", excerpt.reference.length], ...[...counts].sort(([p], [q]) => Object.keys(KINDS).indexOf(p) - Object.keys(KINDS).indexOf(q))].filter(([, number]) => number).map(([kind, number]) =>
      h("button", { type: "button", "aria-pressed": state.hidden.has(kind) ? "false" : "true", onclick: () => { if (!state.hidden.delete(kind)) state.hidden.add(kind); draw(); } }, swatch(kind), `${kindOf(kind)[0]} ${number}`)));
    const list = (title, marks) => [h("p", { class: "small muted" }, title), h("ul", { class: "chips" }, marks.map((mark) => h("li", {}, swatch(mark.kind), mark.label || markText(mark), mark.kind !== "reference" && h("span", { class: "muted small" }, kindOf(mark.kind)[0]))))];
    if (excerpt.kind === "track") chips.replaceChildren(...list("Reference", excerpt.reference).flat(), ...(state.system === undefined ? [] : list(board.systems[state.system].name, visible()).flat()));
    const of = state.segments();
    borders.textContent = of ? `Told in segments of ${of.length_s.toFixed(2)} s, which end at the dotted lines: ${of.num_at_borders} of ${count(of.num_errors, "error")} of the track begin within 50 ms of one; ${of.expected.toFixed(1)} would by chance.` : "";
    view?.draw();
  }
  function error(direction) {
    const errors = visible().filter(isError).sort((p, q) => p.start_s - q.start_s);
    const here = errors.indexOf(state.now); // where two begin at once, time does not tell which is next
    const next = direction > 0 ? errors.find((mark, i) => (here < 0 ? mark.start_s >= state.at : i > here)) : errors.findLast((mark, i) => (here < 0 ? mark.start_s < state.at : i < here));
    if (!next) { announce(direction > 0 ? "No error after this." : "No error before this."); return; }
    state.now = next;
    sound.seek(next.start_s, true);
    view?.draw();
    announce(markText(next));
    told.textContent = markText(next);
  }
  const button = (text, title, onclick, more = {}) => h("button", { type: "button", title, onclick, ...more }, text);
  const told = h("p", { class: "small muted told" }), borders = h("p", { class: "small muted borders" });
  const zoom = (by) => { state.zoom = Math.min(32, Math.max(1, state.zoom * by)); view?.draw(); view?.follow(true); };
  const fit = () => { state.fit = !state.fit; fitButton.setAttribute("aria-pressed", String(state.fit)); view?.draw(); };
  const fitButton = button("Fit pitches", "f", fit, { "aria-pressed": "true" });
  const timed = excerpt.kind !== "track";
  body.append(
    h("div", { class: "controls" }, sound.button, sound.time, timed && shown.length > 0 && [button("‹ error", "p", () => error(-1)), button("error ›", "n", () => error(1))],
      shown.length > 0 && labelled("Shown", chooser), shown.length > 0 && a !== b && [button("A", "a", () => choose(a)), button("B", "b", () => choose(b))],
      view && [button("−", "-", () => zoom(0.5), { "aria-label": "Zoom out" }), button("+", "+", () => zoom(2), { "aria-label": "Zoom in" })], ["notes", "melody"].includes(excerpt.kind) && fitButton),
    ...[view?.frame, legend, told, borders, chips, !shown.length && scoreList(board, metric, scores)].filter(Boolean));
  view?.watch();
  draw();
  sound.load();
  const seek = (by) => sound.seek(state.at + by, true);
  const ofEstimates = shown.length ? { error, a: () => choose(a), b: () => choose(b) } : {};
  return { destroy() { sound.destroy(); view?.destroy(); }, step, zoom, fit, seek, play: sound.toggle, ...ofEstimates };
}
