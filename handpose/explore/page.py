"""The page: its two tabs and its look. All content is local."""

from pathlib import Path
from typing import Any

import gradio as gr

from handpose.explore.augmentations_tab import Source, add_augmentations_tab
from handpose.explore.results_tab import Evaluate, add_results_tab

_FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_CSS = """
.gradio-container { max-width: 1240px !important; }
.cards { display: grid; gap: 12px; }
.cards.three { grid-template-columns: repeat(3, 1fr); }
.cards.two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
.cards.two figure { max-width: 580px; }
.cards.six { grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)); margin-top: 12px; }
.cards figure { margin: 0; }
.cards img { display: block; width: 100%; height: auto; border-radius: 8px; }
.cards .plot { background: #fff; border-radius: 8px; padding: 8px; }
.cards figcaption, .note { font-size: 13px; opacity: .8; margin: 6px 0 0; }
#overlay img[alt=skeleton] { cursor: grab; touch-action: none; }
.error { color: #b3261e; font-size: 14px; margin: 8px 0; }
.scroll { overflow-x: auto; }
.gradio-container :is(table.numbers, table.key) { border-collapse: collapse; width: 100%;
  font-size: 14px; font-variant-numeric: tabular-nums; margin: 10px 0; border: 0; }
.gradio-container :is(table.numbers, table.key) :is(th, td) { padding: 6px 10px; border: 0;
  vertical-align: top; text-align: left; border-top: 1px solid var(--border-color-primary); }
.gradio-container :is(table.numbers, table.key) tr { border: 0; }
.gradio-container table.numbers td, .gradio-container table.numbers thead th + th {
  text-align: right; }
.gradio-container table.numbers thead th { border-top: 0; }
table.numbers th code { display: block; font-size: 11px; font-weight: 400; opacity: .7; }
table.numbers td.best { font-weight: 700; }
table.key i { display: inline-block; width: 10px; height: 10px; border-radius: 3px;
  margin-right: 6px; }
table.key code { font-size: 11.5px; overflow-wrap: anywhere; opacity: .8; }
code { overflow-wrap: anywhere; }
@media (max-width: 700px) {
  .shown { order: -1; } .cards { gap: 6px; } .cards figcaption { font-size: 12px; }
  .gradio-container :is(table.numbers, table.key) :is(th, td) { padding: 6px 5px; }
  .gradio-container table.numbers { font-size: 13px; } }
"""

# Dragging the skeleton moves its sliders, which redraw it.
_DRAG = """<script>
document.addEventListener("pointerdown", (start) => {
  if (!start.target.closest?.("#overlay img[alt=skeleton]")) return;
  start.preventDefault();
  const slider = (name) => document.querySelector(`#${name} input[type=range]`);
  const from = {turn: +slider("turn").value, tilt: +slider("tilt").value};
  const set = (name, value) => {
    slider(name).value = value;
    slider(name).dispatchEvent(new Event("input", {bubbles: true}));
  };
  const move = (now) => {
    const turn = from.turn - (now.clientX - start.clientX) / 2;
    set("turn", ((turn + 180) % 360 + 360) % 360 - 180);
    set("tilt", Math.max(-90, Math.min(90, from.tilt + (now.clientY - start.clientY) / 2)));
  };
  const end = () => document.removeEventListener("pointermove", move);
  document.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"])
    document.addEventListener(name, end, {once: true});
});
</script>"""


def look() -> dict[str, Any]:
    """Returns theme, style sheet and script, with fonts of the reader's system."""
    theme = gr.themes.Base(font=_FONT, font_mono=["ui-monospace", "Menlo", "monospace"])
    return {"theme": theme, "css": _CSS, "head": _DRAG}


def make_page(source: Source, *, runs: Path, evaluate: Evaluate) -> gr.Blocks:
    """Builds the page.

    Args:
        source: data of the augmentations.
        runs: the folder of all runs.
        evaluate: gives the predictions of a run.
    """
    with gr.Blocks(title="handpose explore", analytics_enabled=False) as blocks:
        gr.HTML("<h1>handpose</h1>")
        with gr.Tab("Augmentations"):
            add_augmentations_tab(blocks, source)
        with gr.Tab("Results"):
            add_results_tab(blocks, runs, evaluate)
    # One at a time: Hydra, Lightning and the cache of renders are not thread-safe.
    return blocks.queue(default_concurrency_limit=1, api_open=False)
