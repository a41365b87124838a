// A recording is dropped, sent, and shown as a model hears it.

const service = readData("service");
const state = { sending: null }; // what can be stopped

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
  const show = (...children) => { if (state.sending === stop) { leave(); byId("result").replaceChildren(...children); } };
  const refuse = (text) => { show(h("p", { class: "problem", role: "alert" }, text)); announce(text); };
  if (file.size > service.max_mb * 1e6) { refuse(`${file.name} is larger than ${service.max_mb} MB.`); return; }
  const soFar = sketch();
  show(said, bar, soFar.place, h("p", {}, h("button", { type: "button", onclick: () => { show(); stop.abort(); } }, "Stop")));
  const headers = { Accept: "text/event-stream", "Content-Type": "application/octet-stream" };
  if (service.asks_token) headers.Authorization = `Bearer ${byId("token").value}`;
  const query = new URLSearchParams({ model: byId("model")?.value ?? service.models[0].name, view: "true" });
  try {
    const response = await fetch(`transcribe?${query}`, { method: "POST", headers, body: file, signal: stop.signal });
    if (!response.ok) { refuse((await response.json()).detail); return; }
    const estimates = {};
    for await (const { kind, content } of eventsOf(response)) {
      if (kind === "progress") { bar.value = content.progress; said.textContent = "Listening"; soFar.length_s = content.seconds; }
      if (kind === "event") soFar.add(content);
      if (kind === "estimate") estimates[content.task] = content;
      if (kind === "error") refuse(content.detail);
      if (kind === "end" && state.sending === stop) { result(byId("result"), { ...content, name: file.name, sound: file }, kept(file, estimates, content)); announce("Done."); }
    }
  } catch (error) {
    if (!stop.signal.aborted) refuse(`The service cannot be reached: ${error.message}`);
  }
}

// What is heard so far: a stroke for each event, from left to right by its time, of notes higher by pitch.
function sketch() {
  const picture = s("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", "aria-hidden": "true" }), said = h("p", { class: "small muted" });
  let number = 0;
  return {
    place: h("div", { class: "sketch" }, picture, said),
    add({ event, time_s, pitch = 64 }) {
      if (event === "off") return;
      picture.append(s("rect", { x: 1000 * time_s / this.length_s, y: 100 - 100 * pitch / 128, width: 2, height: 4 }));
      said.textContent = `${count(++number, "event")} so far`;
    },
  };
}

// Links to what was heard, as files.
function kept(file, estimates, { model, seconds, flaw, files }) {
  const json = new Blob([JSON.stringify({ model, seconds, flaw, estimates }, null, 1)], { type: "application/json" });
  const stem = file.name.replace(/\.[^.]*$/, ""), saved = [["json", URL.createObjectURL(json)], ...Object.entries(files)];
  return h("p", { class: "controls" }, saved.map(([suffix, address]) => h("a", { href: address, download: `${stem}.${suffix}` }, `${stem}.${suffix}`)));
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

beginPage();
begin();
