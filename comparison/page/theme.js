// Light and dark, and the colours of what is drawn on canvases.

const theme = {};
const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function readTheme() {
  for (const name of ["rule", "muted", "accent", "a", "b"]) theme[name] = colour(`--${name}`);
  // Silence in the paper's colour, loud in ink: grey values of the spectrograms to colours.
  const [from, to] = isDark() ? [[16, 19, 21], [140, 160, 178]] : [[250, 248, 243], [72, 84, 98]];
  theme.shades = Array.from({ length: 256 }, (_, i) => from.map((value, k) => Math.round(value + (to[k] - value) * (i / 255) ** 1.5)));
}

function switchTheme() {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem("ricercar-theme", next); } catch { /* a page from a file may have no storage */ }
  readTheme();
  dispatchEvent(new Event("recolour"));
}

function beginTheme() {
  try { const kept = localStorage.getItem("ricercar-theme"); if (kept) document.documentElement.dataset.theme = kept; } catch { /* as above */ }
  readTheme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readTheme(); dispatchEvent(new Event("recolour")); });
}
