"""report.html: what was run, the numbers, and the figures."""

from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from handpose.evaluation.evaluation import Evaluation, Results
from handpose.evaluation.summarise import main_names
from handpose.files import replacing
from handpose.records import Views
from handpose.report.accuracy import draw_joint_errors, draw_pck, draw_pck_2d
from handpose.report.choices import CAPPED, essence, is_capped, key_choices, part_name
from handpose.report.curves import Curves, draw_curves, draw_health, draw_steps
from handpose.report.html import render
from handpose.report.origin import origin
from handpose.report.predictions import draw_predictions, samples_to_draw
from handpose.report.reliability import draw_reliability
from handpose.report.rows import facts, measured_stages, metric_rows, pretext_rows, speed_rows
from handpose.report.view_figures import draw_view_pairs

_STAGES = ("pretrain", "finetune")
_NUM_TILES = 4


class ReportInput(NamedTuple):
    """A finished run, in plain values. H, W of each source image."""

    config: dict[str, Any]  # resolved
    command: str  # the command line
    results: Results  # flat; null with "<name>_reason" beside it
    curves: Curves  # "<stage>/<kind>_<name>" -> [(epoch, value), ...]
    evaluation: Evaluation | None  # None with head=none
    images: dict[int, np.ndarray]  # place in the dataset -> (H, W, 3) uint8, of the drawn samples
    views: Views | None  # up to 8 collated pairs; None with objective=none
    steps: Curves | None = None  # "<stage>/step_<name>" -> [(step, value), ...]; None: no training
    evaluated_on: str | None = None  # the dataset, if the page is of an evaluation alone


def make_figures(report: ReportInput) -> dict[str, bytes]:
    """Draws all figures that the run has something to show in.

    Returns:
        Name -> PNG, for the page and for W&B.
    """
    figures = {f"loss_{stage}": draw_curves(report.curves, stage) for stage in _STAGES}
    figures |= {f"steps_{stage}": draw_steps(report.steps or {}, stage) for stage in _STAGES}
    figures["health"] = draw_health(report.curves, report.results)
    if report.evaluation is not None and len(report.evaluation.index):
        figures["pck"] = draw_pck(report.evaluation)
        figures["pck2d"] = draw_pck_2d(report.evaluation)
        figures["reliability"] = draw_reliability(report.evaluation)
        figures["error_per_joint"] = draw_joint_errors(report.evaluation)
    if report.views is not None:
        figures["view_pairs"] = draw_view_pairs(report.views)
    if report.evaluation is not None:
        for kind, rows in samples_to_draw(report.evaluation).items():
            drawn = draw_predictions(report.evaluation, rows, report.images)
            figures[f"predictions_{kind}"] = drawn
    return {name: png for name, png in figures.items() if png is not None}


def write_report(path: Path, report: ReportInput, figures: dict[str, bytes]) -> None:
    """Writes the page.

    Args:
        path: the file, replaced atomically.
        report: the run.
        figures: name -> PNG, from `make_figures`.
    """
    config, results = report.config, report.results
    rows = metric_rows(results)
    known = {row.mean.key: row for row in rows if row.mean.value is not None}
    page = render(
        "report/templates/report.html.jinja",
        **_heading(report),
        seed=config.get("seed"),
        day=results.get("date") or date.today().isoformat(),
        command=report.command,
        choices=key_choices(config),
        config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        warning=CAPPED if is_capped(config) else "",
        split=results.get("split"),
        dataset=results.get("dataset"),
        rows=rows,
        tiles=[known[name] for name in main_names() if name in known][:_NUM_TILES],
        pretext=pretext_rows(results),
        counts=facts(results),
        speed=speed_rows(results),
        stages_measured=measured_stages(results),
        figures=figures,
        origin=origin(results.get("provenance")),
    )
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _heading(report: ReportInput) -> dict[str, str]:
    """The title, which stages ran, and where the numbers are."""
    title, numbers = essence(report.config), "results.json, all curves in metrics.csv"
    if report.evaluated_on:
        title += f", evaluated on {report.evaluated_on}"
        numbers = f"evaluation-{report.evaluated_on}.json"
    stages = "Pre-trained and fine-tuned"
    if part_name(report.config, "head") == "none":
        stages = "Pre-trained only"
    elif part_name(report.config, "objective") == "none":
        stages = "Fine-tuned only"
    return {"title": title, "numbers_file": numbers, "stages": stages}
