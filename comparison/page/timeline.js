// Everything of one excerpt that runs along time: spectrogram, marks, lanes, waveform, cursor.

const PICTURE = 300, LANE = 30, WAVE = 56; // heights in pixels

// name: of the system whose marks `visible` gives; undefined where there is none.
function timeline(excerpt, state, visible, name) {
  const canvas = h("canvas"), marks = s("svg"), rows = s("svg"), cursor = h("div", { class: "cursor" }), gutter = h("div", { class: "gutter" });
  const picture = h("div", { class: "picture" }, canvas, marks), lanes = h("div", { class: "lanes" }, rows), wave = h("div", { class: "wave" });
  const inner = h("div", { class: "inner" }, picture, lanes, wave, cursor);
  const stage = h("div", { class: "stage", tabindex: "0", role: "group", "aria-label": `Time line. Space plays, arrows seek${name() ? ", n and p go from error to error" : ""}.` }, inner), frame = h("div", { class: "frame" }, gutter, stage);
  const length = Math.max(excerpt.end_s - excerpt.start_s, 0.1), pitched = ["notes", "melody"].includes(excerpt.kind);
  const image = new Image();
  let width = 0, seek = () => {};

  // Without a spectrogram: the piano's.
  const [lowest, highest] = excerpt.pitch_high > excerpt.pitch_low ? [excerpt.pitch_low, excerpt.pitch_high] : [21, 108];
  const range = () => {
    const pitches = [...excerpt.reference, ...Object.values(excerpt.estimates).flat()].map((mark) => mark.pitch).filter(known);
    if (!pitched || !state.fit || !pitches.length) return [lowest, highest];
    return [Math.max(lowest, Math.min(...pitches) - 4), Math.min(highest, Math.max(...pitches) + 8)];
  };
  const x = (time) => ((time - excerpt.start_s) / length) * width;
  const height = pitched ? Math.max(PICTURE, Math.min(520, innerHeight * 0.46)) : excerpt.spectrogram ? PICTURE * 0.6 : 0;

  function drawPicture(low, high) {
    if (!image.naturalWidth || !height) return;
    const whole = highest - lowest, rows = image.naturalHeight;
    const top = ((highest - high) / whole) * rows, taken = Math.max(1, ((high - low) / whole) * rows);
    canvas.width = image.naturalWidth; canvas.height = Math.max(1, Math.round(taken));
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, top, image.naturalWidth, taken, 0, 0, canvas.width, canvas.height);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height), { data } = pixels;
    for (let i = 0; i < data.length; i += 4) { const shade = theme.shades[data[i]]; data[i] = shade[0]; data[i + 1] = shade[1]; data[i + 2] = shade[2]; }
    pen.putImageData(pixels, 0, 0);
  }

  function draw() {
    if (!stage.clientWidth) return;
    width = Math.round(stage.clientWidth * state.zoom);
    inner.style.width = `${width}px`;
    picture.style.height = `${height}px`;
    const [low, high] = range(), semitone = height / (high - low), y = (pitch) => (high - pitch) * semitone;
    const list = lanesOf(excerpt, visible(), name());
    lanes.style.height = `${list.length * LANE}px`;
    lanes.hidden = !list.length;
    for (const layer of [[marks, height], [rows, list.length * LANE]]) { layer[0].setAttribute("width", width); layer[0].setAttribute("height", layer[1]); }
    const octaves = pitched ? Array.from({ length: 11 }, (_, i) => i * 12).filter((pitch) => pitch > low && pitch < high) : [];
    const reference = state.hidden.has("reference") ? [] : excerpt.reference;
    marks.replaceChildren(
      ...octaves.map((pitch) => s("line", { class: "rule", x1: 0, x2: width, y1: y(pitch - 0.5), y2: y(pitch - 0.5), "stroke-opacity": 0.5 })),
      ...(pitched ? [...drawPitched(visible(), x, y, semitone), ...drawPitched(reference, x, y, semitone)] : excerpt.kind === "events" ? reference.map((mark) => s("line", { class: "mark reference", x1: x(mark.start_s), x2: x(mark.start_s), y1: 0, y2: height, "stroke-dasharray": "2 3" })) : []));
    const segment = state.segments?.()?.length_s;
    for (let time = segment; time < excerpt.end_s; time += segment) if (time > excerpt.start_s) marks.append(s("line", { class: "rule border", x1: x(time), x2: x(time), y1: 0, y2: height, "stroke-dasharray": "1 4", "stroke-width": 2 }, s("title", {}, `a segment ends: ${clock(time)}`)));
    rows.replaceChildren(...list.flatMap(({ draw: put, marks: each }, i) => [s("line", { class: "rule", x1: 0, x2: width, y1: (i + 1) * LANE, y2: (i + 1) * LANE }), ...put(each === excerpt.reference ? reference : each, x, i * LANE, LANE)]));
    const nowTitle = state.now && markText(state.now);
    if (nowTitle) for (const title of stage.querySelectorAll("title")) if (title.textContent === nowTitle) title.parentElement.classList.add("now");
    gutter.hidden = !octaves.length && !list.length;
    gutter.style.width = list.length ? "" : "2.6rem";
    gutter.replaceChildren(...octaves.map((pitch) => h("span", { style: `top: ${y(pitch)}px` }, noteName(pitch))), ...list.map(({ name: text }, i) => h("span", { style: `top: ${height + (i + 0.5) * LANE + 1}px`, title: text }, text)));
    drawPicture(low, high);
    moveCursor();
  }

  function moveCursor() { cursor.style.left = `${x(state.at)}px`; }

  // Keeps the cursor in sight.
  function follow(centre) {
    const at = x(state.at), left = stage.scrollLeft, right = left + stage.clientWidth;
    if (centre ? at < left + 40 || at > right - 40 : at < left || at > right) stage.scrollLeft = at - stage.clientWidth * (centre ? 0.4 : 0.08);
  }

  inner.addEventListener("click", (event) => {
    if (wave.contains(event.target)) return; // the waveform seeks by itself
    state.now = null;
    seek(excerpt.start_s + ((event.clientX - inner.getBoundingClientRect().left) / width) * length, false);
  });
  image.onload = draw;
  if (excerpt.spectrogram) image.src = excerpt.spectrogram;
  const watcher = new ResizeObserver(draw);
  return {
    frame, wave, draw, follow, moveCursor,
    onSeek(listener) { seek = listener; },
    watch() { watcher.observe(stage); whenRecoloured(stage, draw); },
    destroy() { watcher.disconnect(); },
  };
}

// Sound by wavesurfer.js, of excerpt.audio, an address, or excerpt.sound, a Blob; without sound the cursor can still be moved.
function player(excerpt, view, state) {
  const time = h("span", { class: "time", "aria-hidden": "true" });
  const button = h("button", { type: "button", class: "play", disabled: !excerpt.audio && !excerpt.sound, title: excerpt.audio || excerpt.sound ? "space" : "there is no sound" }, "▶ play");
  let wave = null, ready = false;
  const moved = (at) => {
    state.at = at;
    time.textContent = `${clock(at)} / ${clock(excerpt.end_s)}`;
    view?.moveCursor();
  };
  const seek = (at, centre) => {
    const there = Math.min(Math.max(at, excerpt.start_s), excerpt.end_s);
    if (ready) wave.setTime(there - excerpt.start_s);
    moved(there);
    view?.follow(centre);
  };
  const toggle = () => { if (ready) { state.now = null; wave.playPause(); } };
  button.addEventListener("click", toggle);
  view?.onSeek(seek);
  const colours = () => ({ waveColor: theme.muted, progressColor: theme.accent });
  const load = () => {
    moved(excerpt.start_s);
    if (!excerpt.audio && !excerpt.sound) return;
    const holder = view?.wave ?? h("div");
    wave = WaveSurfer.create({ container: holder, height: WAVE, ...colours(), cursorWidth: 0, dragToSeek: { debounceTime: 0 }, hideScrollbar: true, normalize: true });
    whenRecoloured(holder, () => wave.setOptions(colours()));
    wave.on("ready", () => { ready = true; wave.setTime(state.at - excerpt.start_s); });
    // Not while it stands still: such events come late, and would undo a step that was taken since.
    wave.on("timeupdate", (at) => { if (wave.isPlaying()) { moved(excerpt.start_s + at); view?.follow(false); } });
    wave.on("interaction", (at) => { state.now = null; moved(excerpt.start_s + at); });
    wave.on("play", () => { button.textContent = "❚❚ pause"; });
    wave.on("pause", () => { button.textContent = "▶ play"; });
    wave.on("error", (error) => announce(`The sound cannot be played: ${error.message}`));
    wave.loadBlob(excerpt.sound ?? blob(excerpt.audio)).catch(() => { button.disabled = true; });
  };
  return { button, time, seek, toggle, load, destroy: () => wave?.destroy() };
}

function blob(address) {
  const [head, content] = address.split(",");
  return new Blob([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], { type: head.match(/data:([^;]*)/)[1] });
}
