// What a system got right and wrong, drawn: kinds are told by colour and by pattern.

const KINDS = {
  reference: ["reference", "hollow", "--k-ink"],
  right: ["right", "solid", "--k-green"],
  missed: ["missed", "dashed", "--k-ink"],
  spurious: ["not in the reference", "hatch", "--k-orange"],
  octave: ["wrong octave", "bars", "--k-purple"],
  offset: ["wrong end", "dots", "--k-blue"],
  pitch: ["wrong pitch", "cross", "--k-yellow"],
  fifth: ["a fifth off", "cross", "--k-yellow"],
  relative: ["relative key or chord", "bars", "--k-purple"],
  parallel: ["parallel key or chord", "dots", "--k-blue"],
  root: ["root right, chord wrong", "dots", "--k-blue"],
  label: ["wrong instrument", "bars", "--k-purple"],
  wrong: ["wrong", "hatch", "--k-orange"],
  unscored: ["not scored", "hollow", "--muted"],
  found: ["found", "solid", "--a"],
  lacking: ["found by all, not in the labels", "bars", "--k-blue"],
  unfound: ["in the labels, found by none", "cross", "--k-ink"],
};
const kindOf = (kind) => KINDS[kind] ?? [kind, "cross", "--k-orange"];
// Of an element with the excerpt's data, in which marks are lists.
function readExcerpt(id) {
  const excerpt = readData(id), mark = ([start_s, end_s, kind, pitch, label]) => ({ start_s, end_s, kind, pitch, label });
  excerpt.reference = excerpt.reference.map(mark);
  for (const key of Object.keys(excerpt.estimates)) excerpt.estimates[key] = excerpt.estimates[key].map(mark);
  return excerpt;
}

const isError = (mark) => !["right", "reference", "unscored", "found"].includes(mark.kind);

const NOTES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const noteName = (pitch) => NOTES[((Math.round(pitch) % 12) + 12) % 12] + (Math.floor(Math.round(pitch) / 12) - 1);
const markText = (mark) => [kindOf(mark.kind)[0], known(mark.pitch) && noteName(mark.pitch), mark.label, mark.end_s > mark.start_s ? `${clock(mark.start_s)} to ${clock(mark.end_s)}` : clock(mark.start_s)].filter(Boolean).join(", ");

const PATTERNS = {
  hatch: "M-1 7L7 -1M-1 1L1 -1M5 7L7 5", bars: "M0 1.5H6M0 4.5H6", cross: "M0 0L6 6M6 0L0 6", dots: "M1.5 1.5h.01M4.5 4.5h.01",
};

function patterns() {
  const shapes = Object.entries(KINDS).filter(([, [, pattern]]) => PATTERNS[pattern]).map(([kind, [, pattern, ink]]) =>
    s("pattern", { id: `fill-${kind}`, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
      s("rect", { width: 6, height: 6, style: `fill: var(${ink}); opacity: .45` }),
      s("path", { d: PATTERNS[pattern], style: `stroke: var(${ink}); stroke-width: ${pattern === "dots" ? 2.4 : 1.6}; stroke-linecap: round; fill: none` })));
  return s("svg", { width: 0, height: 0, style: "position: absolute", "aria-hidden": "true" }, s("defs", {}, shapes));
}

function paint(kind) {
  const [, pattern, ink] = kindOf(kind);
  if (pattern === "hollow" || pattern === "dashed") return `fill: none; stroke: var(${ink})${pattern === "dashed" ? "; stroke-dasharray: 3 2; stroke-width: 1.8" : ""}`;
  return `fill: ${pattern === "solid" ? `var(${ink})` : KINDS[kind] ? `url(#fill-${kind})` : `var(${ink})`}; stroke: var(${ink})`;
}

const swatch = (kind) => s("svg", { width: 18, height: 14, "aria-hidden": "true" }, s("rect", { class: "mark", x: 1, y: 1, width: 16, height: 12, rx: 2, style: paint(kind) }));

const titled = (mark, element) => { element.append(s("title", {}, markText(mark))); element.dataset.kind = mark.kind; return element; };

// Notes and melodies: boxes at their pitches.
function drawPitched(marks, x, y, semitone) {
  return marks.filter((mark) => known(mark.pitch)).map((mark) => {
    const height = Math.max(4, semitone * 0.86), width = Math.max(2.5, x(mark.end_s) - x(mark.start_s) - 0.6);
    return titled(mark, s("rect", { class: `mark ${mark.kind}`, x: x(mark.start_s), y: y(mark.pitch) - height / 2, width, height, rx: 1.5, style: mark.kind === "reference" ? null : paint(mark.kind) }));
  });
}

// Beats, onsets, drum hits: a line and a sign in the lane.
function drawEvents(marks, x, top, height) {
  const middle = top + height / 2;
  const sign = { right: (cx) => s("circle", { cx, cy: middle, r: 4.5 }), reference: (cx) => s("circle", { cx, cy: middle, r: 3 }), missed: (cx) => s("circle", { cx, cy: middle, r: 4.5 }),
    spurious: (cx) => s("path", { d: `M${cx - 4} ${middle - 4}l8 8m0-8l-8 8` }) };
  return marks.map((mark) => {
    const cx = x(mark.start_s), draw = sign[mark.kind] ?? (() => s("path", { d: `M${cx} ${middle - 5}l5 5l-5 5l-5-5z` }));
    const style = mark.kind === "spurious" ? "fill: none; stroke: var(--k-orange); stroke-width: 2.4" : paint(mark.kind);
    return titled(mark, s("g", { class: "mark", style }, s("line", { x1: cx, x2: cx, y1: top + 3, y2: top + height - 3 }), draw(cx)));
  });
}

// Chords, keys, segments: boxes with their names.
function drawSpans(marks, x, top, height) {
  return marks.map((mark) => {
    const from = x(mark.start_s), width = Math.max(1.5, x(mark.end_s) - from - 1);
    const label = mark.label && width > 18 ? s("text", { x: Math.max(from, 0) + 5, y: top + height / 2 + 4 }, cut(mark.label, Math.floor((width - 6) / 7))) : null;
    return titled(mark, s("g", {}, s("rect", { class: "mark", x: from, y: top + 3, width, height: height - 6, rx: 2, "fill-opacity": 0.35, style: mark.kind === "reference" ? "fill: var(--sunken); stroke: var(--muted)" : paint(mark.kind) }), label));
  });
}

// The rows below the picture: [{name, draw, marks}]. excerpt.unjudged: there is no reference to show.
function lanesOf(excerpt, estimate, name) {
  if (excerpt.kind !== "events" && excerpt.kind !== "intervals") return [];
  const draw = excerpt.kind === "events" ? drawEvents : drawSpans;
  const labels = excerpt.kind === "events" ? [...new Set([...excerpt.reference, ...estimate].map((mark) => mark.label))].sort() : [];
  const lanes = labels.length < 2 ? [{ name: "reference", draw, marks: excerpt.reference }, { name, draw, marks: estimate, estimated: true }]
    : labels.flatMap((label) => [{ name: `${label}, reference`, draw, marks: excerpt.reference.filter((mark) => mark.label === label) }, { name: label, draw, marks: estimate.filter((mark) => mark.label === label), estimated: true }]);
  return lanes.filter((lane) => (lane.estimated ? name : !excerpt.unjudged));
}
