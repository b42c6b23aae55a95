"""TensorBoard reads back what a run was given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handpose.loggers.base import LoggedImage, Table
from handpose.loggers.naming import Identity
from handpose.loggers.overlays import PREDICTION
from handpose.loggers.tensorboard_log import FOLDER, opened_tensorboard

events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
OWN = Identity("relative-s5", None, "train", (), {"objective": "relative", "seed": 5})
IMAGE = np.zeros((64, 48, 3), np.uint8)
JOINTS = np.stack([np.linspace(5, 40, 21)] * 2, axis=1)


def read(run_dir: Path) -> Any:
    read = events.EventAccumulator(str(run_dir / FOLDER), size_guidance={events.IMAGES: 0})
    read.Reload()
    return read


def test_it_has_curves_images_the_table_and_the_results(tmp_path: Path) -> None:
    image = LoggedImage(IMAGE, "no. 3", {PREDICTION: JOINTS})
    with opened_tensorboard(tmp_path, OWN, images_every_n_epochs=1) as logger:
        logger.log_metrics({"epoch": 0, "pretrain/step_loss": 4.0}, step=7)
        logger.log_metrics({"epoch": 2, "pretrain/val_loss": 3.0}, step=9)
        logger.log_images("finetune/predictions", [image], epoch=2)
        logger.log_table("evaluate/worst_samples", Table(("image", "mm"), ((image, 12.34567),)))
        logger.log_results({"pa_epe_mm": 12.5, "epe2d_px": None}, {})
    with opened_tensorboard(tmp_path, OWN, images_every_n_epochs=1) as logger:  # a resume
        logger.log_metrics({"epoch": 3, "pretrain/val_loss": 2.0}, step=12)
    found = read(tmp_path)
    assert [(e.step, e.value) for e in found.Scalars("pretrain/step_loss")] == [(7, 4.0)]
    assert [(e.step, e.value) for e in found.Scalars("pretrain/val_loss")] == [(2, 3.0), (3, 2.0)]
    assert [e.value for e in found.Scalars("results/pa_epe_mm")] == [12.5]
    assert "results/epe2d_px" not in found.Tags()["scalars"]
    (shown,) = found.Images("finetune/predictions/0")
    assert (shown.step, shown.width, shown.height) == (2, 48, 64)
    assert "evaluate/worst_samples/0" in found.Tags()["images"]
    text = found.Tensors("evaluate/worst_samples/text_summary")[0].tensor_proto.string_val[0]
    assert b"| no. 3 | 12.35 |" in text
    assert (
        b"| objective | relative |"
        in found.Tensors("choices/text_summary")[0].tensor_proto.string_val[0]
    )
