"""A finished run -> `model.onnx` and `MODEL_CARD.md` in a folder."""

from pathlib import Path
from typing import NamedTuple

from handpose.data.synthetic.anatomy import mean_reach
from handpose.export.agreement import Agreement, measure
from handpose.export.card import Card, write_card
from handpose.export.graph import OPSET, ExportedModel, write_graph
from handpose.pipeline import parts
from handpose.pipeline.evaluate_run import open_finished
from handpose.pipeline.run_directory import RESULTS, finished_config, read_json
from handpose.report.choices import essence
from handpose.skeleton import REFERENCE_BONES

TOLERANCE = 1e-4  # px, and mm, where rounding in PyTorch is not larger already
GRAPH, CARD = "model.onnx", "MODEL_CARD.md"


class ExportedRun(NamedTuple):
    """What was written, and how well it agrees with PyTorch."""

    graph: Path
    card: Path
    agreement: Agreement


def export_run(
    run_dir: Path, folder: Path, *, tolerance: float = TOLERANCE, opset: int = OPSET
) -> ExportedRun:
    """Writes the graph, once it is known to agree with the model, and its card.

    Args:
        run_dir: a finished run.
        folder: made where it is missing; what an earlier export left there is replaced.
        tolerance: px and mm by which the two may differ on random crops, if not by rounding.
        opset: version of the ONNX operators.

    Raises:
        ValueError: there is no such run, the opset cannot be written, or the graph disagrees; no
            graph is left then.
        OSError: the folder cannot be written.
    """
    cfg, pose_model = open_finished(run_dir)
    config = finished_config(run_dir)
    model, size = ExportedModel(pose_model), cfg.finetune.dataset.image_size
    notes = {"model": essence(config), "image_size": str(size), "bone": cfg.reference_bone}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{GRAPH}.partial"
    try:
        write_graph(model, partial, image_size=size, notes=notes, opset=opset)
        bone = mean_reach(REFERENCE_BONES[cfg.reference_bone][1])
        agreement = measure(model, partial, image_size=size, bone=bone)
        if not agreement.holds(tolerance):
            raise ValueError(disagreement(agreement, tolerance))
        partial.replace(folder / GRAPH)
    finally:
        partial.unlink(missing_ok=True)
    card = Card(
        config=config,
        results=read_json(run_dir / RESULTS),
        terms=parts.build_terms(cfg),
        agreement=agreement,
        opset=opset,
    )
    write_card(folder / CARD, card)
    return ExportedRun(folder / GRAPH, folder / CARD, agreement)


def disagreement(agreement: Agreement, tolerance: float) -> str:
    """What is said when the graph is refused."""
    g, r = agreement.graph, agreement.rounding
    return (
        f"the ONNX graph is refused, and was not kept: on {agreement.crops} random crops it "
        f"differs from PyTorch by up to {g.px:.1e} px, {g.mm:.1e} mm and {g.camera:.1e} of the "
        f"distance in the camera, where {tolerance:.0e} is allowed, and PyTorch's own rounding is "
        f"{r.px:.1e} px, {r.mm:.1e} mm and {r.camera:.1e}. Another version of torch, onnx or "
        "onnxruntime may do better"
    )
