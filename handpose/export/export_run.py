"""Exports a finished run as `model.onnx` and `MODEL_CARD.md`."""

from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from handpose.data.synthetic.anatomy import mean_reach
from handpose.export.agreement import Agreement, measure
from handpose.export.card import Graph, model_card
from handpose.export.graph import OPSET, ExportedModel, write_graph
from handpose.files import replacing
from handpose.pipeline.evaluate_run import open_finished
from handpose.pipeline.parts import build_terms
from handpose.pipeline.run_directory import RESULTS, finished_config, read_json
from handpose.report.choices import essence
from handpose.skeleton import REFERENCE_BONES

TOLERANCE = 1e-4  # px, and mm, unless PyTorch's own rounding is larger
GRAPH, CARD = "model.onnx", "MODEL_CARD.md"


class ExportedRun(NamedTuple):
    """The files that were written, and how well the graph agrees with PyTorch."""

    graph: Path
    card: Path
    agreement: Agreement


def export_run(run_dir: Path, folder: Path, *, opset: int = OPSET) -> ExportedRun:
    """Writes the graph, if it agrees with the model, and the model card.

    Args:
        run_dir: a finished run.
        folder: is made if missing; files of an earlier export are replaced.
        opset: version of the ONNX operators.

    Raises:
        ValueError: there is no such run, the opset cannot be written, or the graph disagrees (it
            is deleted then).
        OSError: the folder cannot be written.
    """
    cfg, pose_model = open_finished(run_dir)
    config = finished_config(run_dir)
    model, size = ExportedModel(pose_model), cfg.finetune.dataset.image_size
    notes = {"model": essence(config), "image_size": str(size), "bone": cfg.reference_bone}
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / GRAPH) as partial:
        write_graph(model, partial, image_size=size, notes=notes, opset=opset)
        bone = mean_reach(REFERENCE_BONES[cfg.reference_bone][1])
        agreement = measure(model, partial, image_size=size, bone=bone)
        if not agreement.holds(TOLERANCE):
            raise ValueError(
                f"the ONNX graph is refused and was deleted: {agreement}. Allowed are "
                f"{TOLERANCE:.0e} px and mm. Try another version of torch, onnx or onnxruntime"
            )
    terms = build_terms(OmegaConf.create(config))  # `cfg` has one dataset for both stages
    results = read_json(run_dir / RESULTS)
    card = model_card(config, results, terms, graph=Graph(agreement, opset))
    (folder / CARD).write_text(card, encoding="utf-8")
    return ExportedRun(folder / GRAPH, folder / CARD, agreement)
