"""The page's style sheet: light and dark, from 390 px up."""

STYLESHEET = """
:root { color-scheme: light dark;
  --page: #f7f8fa; --card: #fff; --ink: #1f2933; --muted: #5d6875; --rule: #e3e7ec;
  --accent: #2f5fa8; --code: #eef1f5; --shadow: 0 1px 2px rgb(20 30 50 / .05); }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171c; --card: #1c2027; --ink: #e6e9ee; --muted: #9aa5b1; --rule: #2e343d;
  --accent: #8db4f0; --code: #262b33; --shadow: none; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%; }
main { max-width: 1100px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: clamp(22px, 4.2vw, 32px); line-height: 1.2; letter-spacing: -.015em;
  margin: 4px 0 6px;
  font-weight: 650; text-wrap: balance; }
h1 span { color: var(--muted); font-weight: 400; }
h2 { font-size: 20px; letter-spacing: -.01em; margin: 52px 0 14px; font-weight: 650; }
h3 { font-size: 15px; margin: 28px 0 8px; font-weight: 600; }
p { margin: 8px 0; max-width: 72ch; } .muted, figcaption { color: var(--muted); }
.eyebrow { color: var(--accent); font-size: 13px; font-weight: 600; margin: 0; }
code, pre { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: var(--code); border-radius: 8px; padding: 12px 14px; margin: 10px 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  box-shadow: var(--shadow); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px;
  margin: 0 0 18px; }
.tile { padding: 14px 18px 15px; }
.tile b { display: block; font-size: 30px; line-height: 1.2; font-weight: 650;
  letter-spacing: -.02em; }
.tile b small { font-size: 15px; font-weight: 500; color: var(--muted); letter-spacing: 0; }
.tile .name { font-size: 13px; font-weight: 600; } .tile .against { font-size: 13px;
  color: var(--muted); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 10px 16px; border-top: 1px solid var(--rule); vertical-align: top;
  text-align: left; }
tr:first-child > * { border-top: 0; }
thead th { font-size: 12.5px; color: var(--muted); font-weight: 500; border: 0; }
tbody th { font-weight: 600; }
tbody th p { font-weight: 400; font-size: 13px; color: var(--muted); margin: 1px 0 0;
  max-width: 62ch; }
tbody th code { font-weight: 400; font-size: 11.5px; color: var(--muted);
  overflow-wrap: anywhere; }
.numbers td, .numbers thead th + th { text-align: right; white-space: nowrap; }
.numbers td.main { font-weight: 650; } .numbers td small { color: var(--muted);
  font-weight: 400; }
.facts th { width: 210px; color: var(--muted); font-weight: 500; }
  .facts td { overflow-wrap: anywhere; }
.facts th, .facts td { padding-top: 7px; padding-bottom: 7px; font-size: 14px; }
.whole { white-space: nowrap; }
.note { font-size: 13.5px; }
details { margin: 12px 0; } summary { cursor: pointer; color: var(--accent); font-size: 14px; }
figure { margin: 0 0 22px; }
.picture { background: #fff; border: 1px solid var(--rule); border-radius: 12px; padding: 16px;
  overflow-x: auto; }
.picture img { display: block; height: auto; margin: 0 auto; }
figcaption { font-size: 13.5px; margin: 8px 2px 0; max-width: 88ch; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr));
  gap: 0 18px; }
footer { margin-top: 56px; padding-top: 14px; border-top: 1px solid var(--rule);
  font-size: 13px; color: var(--muted); }
@media (max-width: 700px) {
  main { padding: 24px 14px 40px; } .picture { padding: 10px; } th, td { padding: 9px 14px; }
  .numbers thead { display: none; }
  .numbers tr { display: grid; grid-template-columns: 1fr 1fr; padding: 12px 14px;
    border-top: 1px solid var(--rule); }
  .numbers tr:first-child { border-top: 0; }
  .numbers th { grid-column: 1 / -1; padding: 0 0 6px; border: 0; }
  .numbers td { text-align: left; padding: 1px 0; border: 0; }
    .numbers td:empty { display: none; }
  .numbers td::before { content: attr(data-label) " "; color: var(--muted); font-weight: 400;
    font-size: 13px; }
  .facts th, .facts td { display: block; width: auto; } .facts td { border: 0; padding-top: 0; }
  .facts th { padding-bottom: 0; } }
@media print { body { background: #fff; } figure, .tile, tr { break-inside: avoid; } }
"""
