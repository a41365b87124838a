// What a model hears in a recording, task by task. A page begins by beginPage().

let shown = null; // the viewer, for the keys

function leave() {
  shown?.destroy();
  shown = null;
}

// In `place`, and below it `more`. heard: with sound, a Blob, or audio, a data: address.
function result(place, heard, ...more) {
  const { name, model, seconds: length, flaw, view } = heard, tasks = Object.keys(view.tasks), holder = h("div");
  const open = (task) => {
    leave();
    for (const button of choice.children) button.setAttribute("aria-pressed", String(button.textContent === task));
    shown = viewed(heard, task, holder);
    shown.start();
  };
  const choice = h("div", { class: "controls", "aria-label": "Tasks" }, tasks.map((task) => h("button", { type: "button", onclick: () => open(task) }, task)));
  place.replaceChildren();
  fill(place, {}, [
    h("h2", {}, breakable(name)), h("p", { class: "muted small" }, `${seconds(length)}, ${model}`), flaw && h("p", { class: "problem" }, `The recording ${flaw}. What is there is used.`),
    view.end_s < length - 0.01 && h("p", { class: "problem" }, `The first ${seconds(view.end_s)} are shown.`),
    tasks.length > 1 && choice, holder, more,
  ]);
  open(tasks[0]);
}

// The viewer of one task's estimate, in `place`.
function viewed({ view: { tasks, ...drawn }, sound, audio }, task, place) {
  const marks = tasks[task].marks.map(([start_s, end_s, kind, pitch, label]) => ({ start_s, end_s, kind, pitch, label }));
  const excerpt = { ...drawn, kind: tasks[task].kind, sound, audio, unjudged: true, reference: [], estimates: { [task]: marks } };
  const view = { zoom: 1, fit: true, hidden: new Set(), at: 0, now: null };
  const timed = timeline(excerpt, view, () => marks, () => task), playing = player(excerpt, timed, view);
  const zoom = (by) => { view.zoom = Math.min(64, Math.max(1, view.zoom * by)); timed.draw(); timed.follow(true); };
  const fit = () => { view.fit = !view.fit; fitting.setAttribute("aria-pressed", String(view.fit)); timed.draw(); };
  const button = (text, title, onclick, more = {}) => h("button", { type: "button", title, onclick, ...more }, text), fitting = button("Fit pitches", "f", fit, { "aria-pressed": "true" });
  place.replaceChildren(
    h("div", { class: "controls" }, playing.button, playing.time, button("−", "-", () => zoom(0.5), { "aria-label": "Zoom out" }), button("+", "+", () => zoom(2), { "aria-label": "Zoom in" }), ["notes", "melody"].includes(excerpt.kind) && fitting),
    timed.frame,
    excerpt.kind === "track" ? h("ul", { class: "chips" }, marks.map((mark) => h("li", {}, mark.label || markText(mark)))) : h("p", { class: "small muted" }, count(marks.length, "mark")));
  return { zoom, fit, play: playing.toggle, seek: (by) => playing.seek(view.at + by, true), start() { timed.watch(); timed.draw(); playing.load(); place.querySelector(".stage").focus({ preventScroll: true }); }, destroy() { playing.destroy(); timed.destroy(); } };
}

// Keys, the theme, and the patterns of marks.
function beginPage() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const actions = { t: switchTheme };
    if (shown) Object.assign(actions, { ArrowLeft: () => shown.seek(event.shiftKey ? -5 : -1), ArrowRight: () => shown.seek(event.shiftKey ? 5 : 1), "+": () => shown.zoom(2), "=": () => shown.zoom(2), "-": () => shown.zoom(0.5), f: () => shown.fit(), ...(event.target.closest("button, a") ? {} : { " ": () => shown.play() }) });
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  });
  byId("theme").addEventListener("click", switchTheme);
  beginTheme();
  document.body.append(patterns());
}
