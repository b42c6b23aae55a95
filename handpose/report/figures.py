"""All figures of a run, by name: the same pictures go onto the page and to W&B."""

from handpose.report.accuracy import draw_joint_errors, draw_pck, draw_pck_2d
from handpose.report.curves import draw_curves, draw_steps
from handpose.report.health import draw_health
from handpose.report.inputs import ReportInput
from handpose.report.predictions import draw_predictions
from handpose.report.samples import samples_to_draw
from handpose.report.views import draw_view_pairs

STAGES = ("pretrain", "finetune")


def make_figures(report: ReportInput) -> dict[str, bytes]:
    """Name -> PNG, in the order of the page; what a run has nothing to show of is left out."""
    figures = {f"loss_{stage}": draw_curves(report.curves, stage) for stage in STAGES}
    figures |= {f"steps_{stage}": draw_steps(report.steps or {}, stage) for stage in STAGES}
    figures["health"] = draw_health(report.curves, report.results)
    if report.evaluation is not None and len(report.evaluation.index):
        figures["pck"] = draw_pck(report.evaluation)
        figures["pck2d"] = draw_pck_2d(report.evaluation)
        figures["error_per_joint"] = draw_joint_errors(report.evaluation)
    if report.views is not None:
        figures["view_pairs"] = draw_view_pairs(report.views)
    if report.evaluation is not None:
        for kind, rows in samples_to_draw(report.evaluation).items():
            drawn = draw_predictions(report.evaluation, rows, report.images)
            figures[f"predictions_{kind}"] = drawn
    return {name: png for name, png in figures.items() if png is not None}
