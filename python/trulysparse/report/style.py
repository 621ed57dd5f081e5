"""How the page looks: on screens of any width, in the light and in the dark, and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f23; --muted: #646c74; --line: #e3e6e9; --soft: #f5f6f7;
  --accent: #0b64a6; --second: #c4541a; --warn: #fdf3e4;
  --step: 1rem;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131619; --ink: #e6e8ea; --muted: #98a1a9; --line: #2c3238; --soft: #1b1f23;
    --accent: #6fb3e8; --second: #ee9460; --warn: #33271a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word;
}
main, header, footer { max-width: 64rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 2.5rem); }
header { padding-top: clamp(2rem, 6vw, 4rem); }
h1 { font-size: clamp(1.75rem, 5vw, 2.6rem); line-height: 1.15; letter-spacing: -0.02em;
  font-weight: 680; margin: 0 0 0.5rem; text-wrap: balance; }
h2 { font-size: 1.5rem; line-height: 1.25; letter-spacing: -0.012em; font-weight: 650;
  margin: 0 0 0.75rem; }
h3 { font-size: 1.0625rem; line-height: 1.4; font-weight: 650; margin: 2rem 0 0.25rem; }
p, ul { max-width: 44rem; margin: 0 0 1rem; }
ul { padding-left: 1.25rem; }
li { margin-bottom: 0.25rem; }
section { padding: clamp(2rem, 5vw, 3rem) 0; border-top: 1px solid var(--line);
  scroll-margin-top: 1rem; }
.kind { color: var(--muted); margin: 0; }
.muted, .note { color: var(--muted); }
.note { font-size: 0.875rem; margin: 0.5rem 0 0; }
.tiles { display: grid; gap: 1.5rem 2rem; margin: 2.25rem 0;
  grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); }
.tiles div { border-top: 2px solid var(--line); padding-top: 0.6rem; min-width: 0; }
.tiles div:first-child { border-color: var(--accent); }
.tiles dl, .tiles { margin-left: 0; }
.tiles dt { color: var(--muted); font-size: 0.875rem; }
.tiles dd { margin: 0; font-size: 1.75rem; line-height: 1.25; font-weight: 620;
  letter-spacing: -0.015em; }
.tiles small { display: block; font-size: 0.875rem; font-weight: 400; letter-spacing: 0;
  color: var(--muted); }
.callout { background: var(--soft); border-left: 3px solid var(--accent); border-radius: 2px;
  padding: 0.85rem 1.1rem; margin: 0 0 1.5rem; max-width: 46rem; }
.callout.warn { background: var(--warn); border-color: var(--second); }
.callout p { margin: 0; }
nav { margin: 0 0 2.5rem; font-size: 0.9375rem; display: flex; flex-wrap: wrap;
  gap: 0.3rem 1.25rem; }
nav a { color: var(--accent); text-decoration: none; padding: 0.15rem 0; }
nav a:hover, nav a:focus-visible { text-decoration: underline; text-underline-offset: 0.2em; }
.wide { overflow-x: auto; margin: 1rem 0; max-width: 100%; }
.wide:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px;
  }
table { border-collapse: collapse; font-size: 0.9375rem; line-height: 1.4;
  min-width: min(100%, 24rem); }
caption { text-align: left; color: var(--muted); padding: 0.75rem 0 0.25rem; }
th, td { text-align: right; padding: 0.45rem 0 0.45rem 1.5rem; vertical-align: baseline;
  white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { padding-left: 0; }
th { font-weight: 500; color: var(--muted); font-size: 0.8125rem;
  border-bottom-color: var(--muted); }
.text { text-align: left; }
.name { overflow-wrap: anywhere; }
td.text { white-space: normal; min-width: 8rem; }
.bar { display: inline-block; width: 7rem; height: 0.5rem; vertical-align: 0.05rem;
  margin-left: 0.75rem; }
.bar i { display: block; height: 100%; background: var(--accent); border-radius: 1px; }
.whisker { display: inline-block; position: relative; width: 10rem; height: 0.9rem;
  vertical-align: -0.15rem;
  background: linear-gradient(var(--line), var(--line)) 0 50% / 100% 1px no-repeat; }
.whisker i { position: absolute; top: calc(50% - 2px); height: 4px; background: var(--accent);
  opacity: 0.45; border-radius: 2px; }
.whisker b { position: absolute; top: calc(50% - 4px); width: 8px; height: 8px; margin-left: -4px;
  border-radius: 50%; background: var(--accent); }
.whisker u { position: absolute; top: 15%; height: 70%; width: 1px; background: var(--muted); }
.arrow { color: var(--accent); font-weight: 700; display: inline-block; width: 1.1em; }
.figures { display: grid; gap: 2rem 3rem; margin: 1.5rem 0 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); align-items: start; }
.figures > figure:only-child { max-width: 32rem; }
.figures .wide { margin: 0; }
figure { margin: 0; min-width: 0; }
.square figure { max-width: 44rem; }
figcaption { font-weight: 600; margin-bottom: 0.5rem; }
.picture { overflow-x: auto; }
.picture svg { display: block; width: 100%; height: auto; }
.square .picture svg { min-width: 24rem; }
details { margin-top: 0.5rem; font-size: 0.875rem; }
summary { cursor: pointer; color: var(--accent); width: fit-content; }
details .wide { max-height: 24rem; overflow: auto; }
.matrix td:not(:first-child) { padding: 0; border: 0; }
.matrix th:not(:first-child) { padding: 0.45rem 0.6rem; text-align: center; }
.cell { display: block; min-width: 3.5rem; padding: 0.5rem 0.6rem; margin: 1px; text-align: center;
  background: color-mix(in srgb, var(--second) var(--share), transparent); }
.cell.right { background: color-mix(in srgb, var(--accent) calc(var(--share) * 0.55), transparent);
  }
.cell:not(.right) { background: color-mix(in srgb, var(--second) calc(var(--share) * 0.55),
  transparent); }
footer { color: var(--muted); font-size: 0.875rem; padding-top: 1.5rem; padding-bottom: 3rem; }
@media (max-width: 40rem) {
  th, td { padding-left: 1rem; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 1.25rem; }
  .tiles dd { font-size: 1.45rem; }
  .whisker { width: 7rem; }
  .bar { width: 3rem; margin-left: 0.5rem; }
  td.text { min-width: 6.5rem; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --muted: #555; --line: #ccc;
    --soft: #f3f3f3; --accent: #0b64a6; --second: #c4541a; --warn: #f6efe4; }
  @page { margin: 16mm 14mm; }
  html { font-size: 9.5pt; }
  .tiles { grid-template-columns: repeat(5, 1fr); gap: 4mm; }
  main, header, footer { max-width: none; padding-left: 0; padding-right: 0; }
  header { padding-top: 0; }
  nav, details { display: none; }
  section { padding: 6mm 0; }
  h2, h3, figcaption, thead { break-after: avoid; }
  figure, tr, .callout, .tiles, .figures { break-inside: avoid; }
  h3 + p, h3 + p + .wide, h2 + p { break-inside: avoid; break-after: avoid; }
  .wide, .picture { overflow: visible; }
  .figures { grid-template-columns: 1fr 1fr; gap: 6mm 8mm; }
  .square .picture svg { min-width: 0; max-width: 13cm; }
  th, td { padding-left: 0.8rem; white-space: normal; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
