// A recording is dropped, sent, and shown as a model hears it.

const service = readData("service");
const state = { sending: null, shown: null }; // what can be stopped; the viewer, for the keys

// The server-sent events of a response: {kind, content}.
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) yield { kind: part.match(/^event: (.*)$/m)[1], content: JSON.parse(part.match(/^data: (.*)$/m)[1]) };
  }
}

async function send(file) {
  state.sending?.abort();
  const stop = new AbortController(), bar = h("progress", { max: 1, "aria-label": "progress" }), said = h("p", { class: "small muted" }, `Sending ${file.name}`);
  state.sending = stop;
  const show = (...children) => { if (state.sending === stop) { state.shown?.destroy(); state.shown = null; byId("result").replaceChildren(...children); } };
  const refuse = (text) => { show(h("p", { class: "problem", role: "alert" }, text)); announce(text); };
  if (file.size > service.max_mb * 1e6) { refuse(`${file.name} is larger than ${service.max_mb} MB.`); return; }
  show(said, bar, h("p", {}, h("button", { type: "button", onclick: () => { show(); stop.abort(); } }, "Stop")));
  const headers = { Accept: "text/event-stream", "Content-Type": "application/octet-stream" };
  if (service.asks_token) headers.Authorization = `Bearer ${byId("token").value}`;
  const query = new URLSearchParams({ model: byId("model")?.value ?? service.models[0].name, view: "true" });
  try {
    const response = await fetch(`transcribe?${query}`, { method: "POST", headers, body: file, signal: stop.signal });
    if (!response.ok) { refuse((await response.json()).detail); return; }
    const estimates = {};
    for await (const { kind, content } of eventsOf(response)) {
      if (kind === "progress") { bar.value = content.progress; said.textContent = "Listening"; }
      if (kind === "estimate") estimates[content.task] = content;
      if (kind === "error") refuse(content.detail);
      if (kind === "end") { show(); if (state.sending === stop) { byId("result").replaceChildren(...result(file, estimates, content)); state.shown.start(); announce("Done."); } }
    }
  } catch (error) {
    if (!stop.signal.aborted) refuse(`The service cannot be reached: ${error.message}`);
  }
}

function result(file, estimates, { model, seconds: length, flaw, view, files }) {
  const tasks = Object.keys(view), place = h("div"), stem = file.name.replace(/\.[^.]*$/, "");
  const open = (task) => {
    state.shown?.destroy();
    for (const button of choice.children) button.setAttribute("aria-pressed", String(button.textContent === task));
    state.shown = viewed(view[task], task, file, place);
  };
  const choice = h("div", { class: "controls", "aria-label": "Tasks" }, tasks.map((task) => h("button", { type: "button", onclick: () => { open(task); state.shown.start(); } }, task)));
  const json = new Blob([JSON.stringify({ model, seconds: length, flaw, estimates }, null, 1)], { type: "application/json" });
  const saved = [["json", URL.createObjectURL(json)], ...Object.entries(files)];
  open(tasks[0]);
  return [
    h("h2", {}, file.name), h("p", { class: "muted small" }, `${seconds(length)}, ${model}`), flaw && h("p", { class: "problem" }, `The recording ${flaw}. What is there is used.`),
    tasks.length > 1 && choice, place,
    h("p", { class: "controls" }, saved.map(([suffix, address]) => h("a", { href: address, download: `${stem}.${suffix}` }, `${stem}.${suffix}`))),
  ].filter(Boolean);
}

// The viewer of one task's estimate, in `place`.
function viewed(drawn, task, file, place) {
  const marks = drawn.marks.map(([start_s, end_s, kind, pitch, label]) => ({ start_s, end_s, kind, pitch, label }));
  const excerpt = { ...drawn, sound: file, unjudged: true, reference: [], estimates: { [task]: marks } };
  const view = { zoom: 1, fit: true, hidden: new Set(), at: 0, now: null };
  const timed = timeline(excerpt, view, () => marks, () => task), sound = player(excerpt, timed, view);
  const zoom = (by) => { view.zoom = Math.min(64, Math.max(1, view.zoom * by)); timed.draw(); timed.follow(true); };
  const fit = () => { view.fit = !view.fit; fitting.setAttribute("aria-pressed", String(view.fit)); timed.draw(); };
  const button = (text, title, onclick, more = {}) => h("button", { type: "button", title, onclick, ...more }, text), fitting = button("Fit pitches", "f", fit, { "aria-pressed": "true" });
  place.replaceChildren(
    h("div", { class: "controls" }, sound.button, sound.time, button("−", "-", () => zoom(0.5), { "aria-label": "Zoom out" }), button("+", "+", () => zoom(2), { "aria-label": "Zoom in" }), ["notes", "melody"].includes(excerpt.kind) && fitting),
    timed.frame,
    excerpt.kind === "track" ? h("ul", { class: "chips" }, marks.map((mark) => h("li", {}, mark.label || markText(mark)))) : h("p", { class: "small muted" }, count(marks.length, "mark")));
  return { zoom, fit, play: sound.toggle, seek: (by) => sound.seek(view.at + by, true), start() { timed.watch(); timed.draw(); sound.load(); place.querySelector(".stage").focus({ preventScroll: true }); }, destroy() { sound.destroy(); timed.destroy(); } };
}

function begin() {
  const input = h("input", { type: "file", accept: "audio/*,.flac,.aiff,.caf", id: "file", onchange: () => { if (input.files.length) send(input.files[0]); input.value = ""; } });
  const drop = h("label", { class: "drop", for: "file" }, h("b", {}, "Drop a recording here, or choose one"), h("span", { class: "small muted" }, `up to ${service.max_mb} MB and ${service.max_minutes} minutes; it is not kept`), input);
  for (const kind of ["dragenter", "dragover"]) addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  addEventListener("drop", (event) => { if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]); });
  byId("main").replaceChildren(
    h("h1", {}, "What is in this recording?"),
    h("div", { class: "controls" },
      service.models.length > 1 && labelled("Model", select(service.models.map(({ name, tasks }) => [name, `${name}: ${tasks.join(", ")}`]), service.models[0].name, () => {}, { id: "model" })),
      service.asks_token && labelled("Token", h("input", { type: "password", id: "token", autocomplete: "off" })),
      h("a", { class: "small", href: "docs" }, "for programs")),
    drop, h("section", { class: "found", id: "result" }));
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const actions = { t: switchTheme };
  if (state.shown) Object.assign(actions, { ArrowLeft: () => state.shown.seek(event.shiftKey ? -5 : -1), ArrowRight: () => state.shown.seek(event.shiftKey ? 5 : 1), "+": () => state.shown.zoom(2), "=": () => state.shown.zoom(2), "-": () => state.shown.zoom(0.5), f: () => state.shown.fit(), ...(event.target.closest("button, a") ? {} : { " ": () => state.shown.play() }) });
  if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
});

byId("theme").addEventListener("click", switchTheme);
beginTheme();
document.body.append(patterns());
begin();
