"""A step of any objective or head reads nothing back from the device and copies nothing to it.

On a GPU each of these would make the program wait. Forward pass and loss run on a pretended GPU,
and whole training steps, with every callback of a stage, on the CPU.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from device_reads import Reads, fake_gpu, on_fake_gpu
from hands import CROP, labelled
from omegaconf import DictConfig
from tiny_backbone import TinyBackbone
from torch import Tensor
from torch.utils.data import DataLoader

from handpose import compose_config
from handpose.backbones.base import Backbone
from handpose.backbones.timm_backbone import TimmBackbone
from handpose.distributed.interrupt import Interrupt
from handpose.objectives import nt_xent, nt_xent_chunks
from handpose.pipeline import parts
from handpose.pipeline.stages import fit
from handpose.records import Views
from handpose.training.cadence import Cadence
from handpose.training.finetuner import Finetuner
from handpose.training.guard import NonFiniteGuard
from handpose.training.pretrainer import Pretrainer
from handpose.training.run_log import RunLog
from handpose.training.step_meter import StepMeter

CONF = Path(__file__).resolve().parents[2] / "conf"
PAIRS = 4


def choices(group: str) -> list[str]:
    """The choices that conf/ holds, but for `none`."""
    return sorted(p.stem for p in (CONF / group).glob("*.yaml") if p.stem != "none")


OBJECTIVES = [
    *(f"objective={name}" for name in choices("objective")),
    "objective=contrastive objective.projection=keypoints",
    "objective=contrastive objective.projection=maps",
    "objective=contrastive objective.same_pose_negatives=true",
    "objective=contrastive pretrain.positives=mined",
    "objective=equivariant objective.projection=keypoints objective.shift=exact",
    "objective=equivariant objective.projection=maps objective.scale=true",
    "objective=relative objective.num_keypoints=4",
    "objective=contrastive pretrain.gradient_cache_chunk=2",
]
HEADS = [
    f"head={name}{more}"
    for name in choices("head")
    for more in ("", " head.root_depth=refined", " head.root=palm head.root_depth=refined")
]


def composed(cell: str) -> DictConfig:
    side = CROP if "head=" in cell else 32
    return compose_config(*cell.split(), f"dataset.image_size={side}")


def backbone_for(cell: str) -> Backbone:
    """A tiny backbone; a ViT where the objective works with no other."""
    if cell == "objective=mae":
        return TimmBackbone(name="test_vit")
    return TinyBackbone()


@pytest.fixture
def pretrainer(views_of: Callable) -> Callable[[str], tuple[Pretrainer, dict[str, Views]]]:
    """pretrainer(cell): the stage of an objective, and a batch of it."""

    def make(cell: str) -> tuple[Pretrainer, dict[str, Views]]:
        cfg, backbone = composed(cell), backbone_for(cell)
        augmentations = parts.build_view_augmentations(cfg)
        stage = Pretrainer(
            backbone=backbone,
            objective=parts.build_objective(cfg, backbone, augmentations),
            optimizer=parts.build_optimizer(cfg.pretrain.optimizer),
            warmup_epochs=0,
            gradient_cache_chunk=cfg.pretrain.gradient_cache_chunk,
        )
        batch = {name: views_of(settings, PAIRS) for name, settings in augmentations.items()}
        if cfg.pretrain.positives == "mined":
            pose = torch.rand(PAIRS, 2, 5)
            known = torch.ones(PAIRS, 2, dtype=torch.bool)
            batch = {k: v._replace(pose=pose, pose_valid=known) for k, v in batch.items()}
        return stage, batch

    return make


def finetuner(cell: str, *, frozen: bool = False) -> tuple[Finetuner, Any]:
    """The stage of a head, and a batch of it."""
    cfg, backbone = composed(f"{cell} finetune.freeze_backbone={frozen}"), TinyBackbone()
    stage = Finetuner(
        model=parts.build_model(cfg, backbone),
        optimizer=parts.build_optimizer(cfg.finetune.optimizer),
        warmup_epochs=0,
    )
    return stage, labelled(PAIRS, seed=0)


def forward_reads(stage: pl.LightningModule, batch: Any) -> list[str]:
    """The reads of a forward pass and its loss on a pretended GPU."""
    with fake_gpu():
        on_fake_gpu(stage.train())
        batch = on_fake_gpu(batch)
        with Reads() as reads:
            loss = stage.training_step(batch, 0)
    assert loss.device.type == "cuda"
    return reads.found


@pytest.mark.parametrize("cell", OBJECTIVES)
def test_the_loss_of_an_objective_reads_nothing(cell: str, pretrainer: Callable) -> None:
    assert forward_reads(*pretrainer(cell)) == []


@pytest.mark.parametrize("positives", ["self", "mined"])
def test_a_large_contrastive_batch_reads_nothing_in_either_pass(
    positives: str, pretrainer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nt_xent, "MAX_WHOLE", 0)
    monkeypatch.setattr(nt_xent_chunks, "LEAST_ROWS", 3)
    monkeypatch.setattr(nt_xent_chunks, "NUM_CHUNKS", 100)
    stage, batch = pretrainer(f"objective=contrastive pretrain.positives={positives}")
    loss = stage.train().loss_of(batch)
    with Reads() as reads:  # on the CPU: torch has no backward pass on a pretended GPU
        loss.backward()
    assert reads.found == []
    assert forward_reads(stage, batch) == []


@pytest.mark.parametrize("cell", HEADS)
def test_the_loss_of_a_head_reads_nothing(cell: str) -> None:
    assert forward_reads(*finetuner(cell)) == []


@pytest.mark.parametrize("name", ["resnet18", "resnet18_half", "hrnet_w18"])
def test_a_backbone_reads_nothing(name: str) -> None:
    backbone = parts.build_backbone(composed(f"backbone={name}"))
    image = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    with fake_gpu():
        on_fake_gpu(backbone.train())
        image = on_fake_gpu(image)
        with Reads() as reads:
            _, embedding = backbone.encode(image)
    assert embedding.device.type == "cuda"
    assert reads.found == []


WRONG: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool(x.sum() > 0),
    "float": lambda x: float(x.sum()),
    "mask": lambda x: x[x > 0],
    "written by a mask": lambda x: x.__setitem__(x > 0, torch.zeros_like(x[0, 0])),
    "nonzero": lambda x: x.nonzero(),
    "list": lambda x: x * x.new_tensor([1.0, 2.0, 3.0]),
    "index of a list": lambda x: x[:, [0, 2]],
    "index of the CPU": lambda x: x[:, torch.arange(2)],
    "written by an index": lambda x: x.__setitem__((torch.arange(2).to(x.device),) * 2, 0.0),
    "to the CPU": lambda x: x.cpu(),
}
RIGHT: dict[str, Callable[[Tensor], Any]] = {
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "arange": lambda x: x[:, torch.arange(2, device=x.device)],
    "slice": lambda x: x[:, 1:] * 2.0 + x.new_zeros(()),
    "written": lambda x: x[:, 0].__setitem__(slice(None), 1.0),
    "number of the CPU": lambda x: x + torch.zeros(()),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_kind_of_read_is_found(name: str) -> None:
    with fake_gpu(), Reads() as reads:
        x = torch.zeros(4, 3, device="cuda")
        with suppress(Exception):  # a fake tensor has no value to read
            WRONG[name](x)
    assert reads.found


@pytest.mark.parametrize("name", RIGHT)
def test_what_waits_for_nothing_is_not_found(name: str) -> None:
    with fake_gpu(), Reads() as reads:
        RIGHT[name](torch.zeros(4, 3, device="cuda"))
    assert reads.found == []


class Begin(pl.Callback):
    """Records the reads of each step, from its first callback."""

    def __init__(self) -> None:
        self.steps: list[list[str]] = []

    def on_train_batch_start(self, *args: Any) -> None:
        self.reads = Reads()
        self.reads.__enter__()


class End(pl.Callback):
    """Ends the record after the last callback of a step."""

    def __init__(self, begin: Begin) -> None:
        self.begin = begin

    def on_train_batch_end(self, *args: Any) -> None:
        self.begin.reads.__exit__(None, None, None)
        self.begin.steps.append(self.begin.reads.found)


def trained(
    stage: pl.LightningModule,
    batch: Any,
    folder: Path,
    *,
    guard: NonFiniteGuard | None = None,
    **options: Any,
) -> list[list[str]]:
    """Train five steps with the callbacks of a stage; the reads of each step."""
    guard = guard or NonFiniteGuard(Cadence(4), defers=True)
    guard.cadence._every = 4
    begin = Begin()
    context: Any = SimpleNamespace(
        cfg=compose_config(), run_log=RunLog({}, every_seconds=1000), interrupt=Interrupt()
    )
    callbacks = fit._callbacks(
        context, stage, guard, StepMeter(guard.cadence), folder=folder, monitor=None
    )
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[begin, *callbacks, End(begin)],
        **options,
    )
    trainer.fit(stage, DataLoader([batch] * 5, batch_size=None))
    return begin.steps


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU counts as a device that the program waits for."""
    for module in ("guard", "stage_log", "step_meter"):
        monkeypatch.setattr(f"handpose.training.{module}.waits", lambda device: True)


@pytest.mark.usefixtures("waiting")
def test_of_accumulated_batches_only_the_last_of_a_step_that_is_due_reads(
    pretrainer: Callable, tmp_path: Path
) -> None:
    """Neither those before the first step nor those after one that was due."""
    steps = trained(*pretrainer(OBJECTIVES[0]), tmp_path, accumulate_grad_batches=2)
    assert [bool(found) for found in steps] == [False, True, False, False, False]


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("cell", OBJECTIVES)
def test_a_step_of_pre_training_reads_nothing_but_where_due(
    cell: str, pretrainer: Callable, tmp_path: Path
) -> None:
    steps = trained(*pretrainer(cell), tmp_path)
    assert steps[0]  # the first step is logged
    assert steps[1:3] == [[], []]
    assert steps[3]
    assert steps[4] == []


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("cell", HEADS)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_step_of_fine_tuning_reads_nothing_but_where_due(
    cell: str, precision: str, tmp_path: Path
) -> None:
    """With a frozen backbone in the second precision."""
    stage, batch = finetuner(cell, frozen=precision != "32-true")
    steps = trained(stage, batch, tmp_path, precision=precision)
    assert steps[0]
    assert steps[1:3] == [[], []]


@pytest.mark.usefixtures("waiting")
def test_a_step_with_an_optimizer_that_cannot_skip_reads_the_norm(tmp_path: Path) -> None:
    stage, batch = finetuner("head=regression optimizer=lars")
    assert trained(stage, batch, tmp_path)[1].count("_local_scalar_dense") >= 1
