"""A run to report on: predictions, views, curves and results."""

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from handpose.augment.settings import Augmentation
from handpose.augment.views import make_views
from handpose.evaluation.evaluation import Evaluation, Results, not_applicable
from handpose.evaluation.summarise import summarise
from handpose.evaluation.training_metrics import SPEED_METRICS
from handpose.records import Sample, Views
from handpose.report.page import ReportInput, make_figures, write_report
from handpose.report.predictions import samples_to_draw

N, J, SIZE = 15, 21, 32
SETTINGS = Augmentation(
    rotate=True,
    crop=True,
    random_crop=True,
    colour_jitter=False,
    colour_drop=False,
    gaussian_blur=False,
    gaussian_noise=False,
    cut_out=False,
    sobel=False,
    angle=(-45, 45),
    shift=(-0.1, 0.1),
    margin=1.25,
    margin_range=(0.9, 1.5),
    hue=(-45, 45),
    saturation=(0.2, 1.0),
    gain=(0.5, 1.0),
    bias=(5, 20),
    blur_sigma=(0.1, 2.0),
    noise_std=25,
    cut_out_side=(0, 0.16),
    probability=0.5,
)
CONFIG = {
    "seed": 5,
    "dataset": {"_target_": "handpose.data.sources.synthetic.Synthetic", "image_size": 64},
    "backbone": {"_target_": "handpose.backbones.resnet.ResNet", "name": "resnet18"},
    "objective": {"_target_": "handpose.objectives.relative.Relative"},
    "head": {"_target_": "handpose.heads.heatmap.HeatmapHead"},
    "pretrain": {"max_epochs": 3, "batch_size": 8},
    "finetune": {"max_epochs": 3, "batch_size": 8, "label_fraction": 0.1},
}
CURVES = {
    "pretrain/train_loss": [(0, 3.0), (1, 2.0)],
    "pretrain/val_loss": [(0, 3.1), (1, 2.2)],
    "pretrain/val_loss_rotation": [(0, 1.1), (1, 0.2)],
    "pretrain/val_rotation_error_deg": [(0, 31.0), (1, 12.0)],
    "pretrain/val_rotation_chance_deg": [(0, 30.0), (1, 30.0)],
    "pretrain/val_top1": [(0, 0.1), (1, 0.6)],
    "pretrain/val_top1_chance": [(0, 0.02), (1, 0.02)],
    "finetune/train_loss": [(0, 9.0)],
    "finetune/val_pa_epe_mm": [(0, 14.0)],
}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Hands near the truth, the more wrong the higher their row; some left, some half labelled."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    true = 40 * normal(N, J, 3) + torch.tensor([0.0, 0.0, 600.0])
    error = torch.linspace(0.5, 20, N, dtype=torch.float64)[:, None, None] * normal(N, J, 3)
    uv = 48 + 12 * normal(N, J, 2)
    valid = torch.ones(N, J, dtype=torch.bool)
    valid[::4, 5:9] = False
    return Evaluation(
        uv=uv + normal(N, J, 2),
        true_uv=uv,
        xyz=true + error - true[:, :1],
        true_xyz=true - true[:, :1],
        camera_xyz=true + error,
        true_camera_xyz=true,
        px_xyz=true,
        true_px_xyz=true,
        root_depth=true[:, 0, 2] + 5,
        solved_root_depth=true[:, 0, 2] - 9,
        is_refined=torch.ones(N, dtype=torch.bool),
        is_clamped=torch.zeros(N, dtype=torch.bool),
        true_root_depth=true[:, 0, 2],
        uv_valid=valid,
        xyz_valid=valid,
        z_valid=valid & valid[:, [5]],
        px_valid=torch.zeros(N, J, dtype=torch.bool),
        scale_valid=torch.ones(N, dtype=torch.bool),
        K_valid=torch.ones(N, dtype=torch.bool),
        is_left=torch.arange(N) % 2 == 0,
        index=100 + torch.arange(N),
        affine=torch.eye(2, 3).expand(N, 2, 3),
        confidence=torch.rand(N, J, generator=draw, dtype=torch.float64),
        hand_confidence=torch.linspace(0.9, 0.1, N, dtype=torch.float64),
        mean_pose=40 * normal(J, 3),
        mean_pose_of_all=40 * normal(J, 3),
    )


@pytest.fixture(scope="module")
def views() -> Views:
    return default_collate([_views(index) for index in range(3)])


def _views(index: int) -> Views:
    rng = np.random.default_rng(index)
    image = cv2.GaussianBlur(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 5)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    none, box = np.zeros(J, dtype=bool), np.array([47.5, 47.5, 40], dtype=np.float32)
    sample = Sample(
        image, np.zeros((J, 2)), np.zeros((J, 3)), np.eye(3), none, none, box, "left", "x#0"
    )
    return make_views(
        sample, SETTINGS, rng=rng, size=SIZE, num_views=2, identity=index, index=index
    )


@pytest.fixture(scope="module")
def report(evaluation: Evaluation, views: Views) -> ReportInput:
    rows = [row for rows in samples_to_draw(evaluation, each=2).values() for row in rows]
    draw = np.random.default_rng(0)
    images = {100 + row: draw.integers(0, 256, (96, 96, 3), dtype=np.uint8) for row in rows}
    results: Results = {
        **summarise(evaluation),
        **not_applicable(("root_depth_error_refined_mm",), "root_depth=solve <refines nothing>"),
        "seconds_pretrain": 75.25,
        **_speed(),
        "device": "cpu & more",
    }
    return ReportInput(CONFIG, "python train.py seed=5", results, CURVES, evaluation, images, views)


@pytest.fixture(scope="module")
def figures(report: ReportInput) -> dict[str, bytes]:
    return make_figures(report)


@pytest.fixture(scope="module")
def page(report: ReportInput, figures: dict[str, bytes], tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("run") / "report.html"
    write_report(path, report, figures)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text()


def _speed() -> Results:
    """Meters of two stages, of which one has no MFU."""
    speed: Results = {
        f"{stage}_{metric.name}": 7.5 + place
        for place, metric in enumerate(SPEED_METRICS)
        for stage in ("pretrain", "evaluate")
    }
    return speed | {
        "evaluate_mfu_percent": None,
        "evaluate_mfu_percent_reason": "nobody < knows",
    }
