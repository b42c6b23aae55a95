"""The pose model as one ONNX graph, from uint8 to the pose. B batch, J = 21, S side of the crop.

image       (B, 3, S, S) uint8   RGB crops of right hands; the graph normalises them
K           (B, 3, 3) float32    intrinsics of the crops; the identity if there is no camera
uvz         (B, J, 3) float32    px of the crop, px of the crop, reference bones from the wrist
xyz         (B, J, 3) float32    camera frame, reference bones; meaningless without K
root_depth  (B,) float32         depth of the wrist in `xyz`, reference bones
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handpose.model import PoseModel
from handpose.skeleton import JOINT_NAMES

INPUTS = ("image", "K")
OUTPUTS = ("uvz", "xyz", "root_depth")
OPSET = 18  # of onnxruntime 1.14 and later; PyTorch exports no older one
_TRACED_BATCH = 2  # a batch of 1 would be taken for a constant


class ExportedModel(nn.Module):
    """The function of the graph: with soft-argmax, root depth and metric pose, without heatmaps."""

    def __init__(self, model: PoseModel) -> None:
        super().__init__()
        self.model = model
        self.model.calibration = None  # the graph gives no confidence
        self.eval()

    def forward(self, image: Tensor, K: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        prediction = self.model(image, K)
        return prediction.uvz, prediction.xyz, prediction.root_depth


def write_graph(
    model: ExportedModel, path: Path, *, image_size: int, notes: dict[str, str], opset: int = OPSET
) -> None:
    """Writes the graph with a free batch size.

    Args:
        model: on the CPU.
        path: the file.
        image_size: S.
        notes: metadata of the graph.
        opset: version of the ONNX operators.

    Raises:
        ValueError: the installed PyTorch and onnx cannot write that version.
        OSError: `path` cannot be written.
    """
    import onnx

    newest = onnx.defs.onnx_opset_version()
    if not OPSET <= opset <= newest:
        raise ValueError(
            f"--opset {opset}: choose {OPSET} to {newest} (what the installed packages can write)"
        )
    proto = _exported(model, image_size, opset)
    written = next(entry.version for entry in proto.opset_import if not entry.domain)
    if written != opset:  # the exporter only warns where it cannot convert
        raise ValueError(f"--opset {opset}: this PyTorch wrote opset {written}; choose that one")
    _name_batch(proto)
    proto.doc_string = (__doc__ or "").strip()
    onnx.helper.set_model_props(proto, {"joints": ", ".join(JOINT_NAMES), **notes})
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def _exported(model: ExportedModel, image_size: int, opset: int) -> Any:
    image = torch.zeros(_TRACED_BATCH, 3, image_size, image_size, dtype=torch.uint8)
    K = torch.eye(3).repeat(_TRACED_BATCH, 1, 1)
    batch = torch.export.Dim("batch", min=1)
    with _quiet():
        # A separate step: torch.onnx.export alone would silently fix a batch size that is not free.
        captured = torch.export.export(
            model, (image, K), dynamic_shapes={name: {0: batch} for name in INPUTS}
        )
        program = torch.onnx.export(
            captured,
            dynamo=True,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=opset,
        )
    assert program is not None
    return program.model_proto


def _name_batch(proto: Any) -> None:
    """Names the batch axis "batch"; the exporter gives it a number."""
    graph = proto.graph
    number = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert number, "the batch size is fixed"
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            axis.dim_param = axis.dim_param.replace(number, "batch")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the exporter's progress and warnings; its errors are still raised."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
