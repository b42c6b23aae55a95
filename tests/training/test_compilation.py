"""Compiled training: the losses of eager training, and checkpoints that fit both."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import torch._inductor.config
from hands import labelled
from tiny_backbone import TinyBackbone
from torch import Tensor, nn
from torch.utils.data import DataLoader

from handpose import compose_config
from handpose.pipeline import parts
from handpose.training.compilation import EagerValidation, check_compiler, compiled
from handpose.training.finetuner import Finetuner
from handpose.training.pretrainer import Pretrainer

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="no C++ compiler"
)


class Losses(pl.Callback):
    """Keeps the loss of each step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *args: Any
    ) -> None:
        self.values.append(float(outputs["loss"]))


def rows(record: Any, chosen: slice) -> Any:
    """Rows of a batch."""
    if isinstance(record, dict):
        return {name: rows(part, chosen) for name, part in record.items()}
    if isinstance(record, Tensor):
        return record[chosen]
    return type(record)(*(rows(item, chosen) for item in record))


def trained(
    stage: Any, batches: list[Any], *, is_compiled: bool, resume: Path | None = None, **options: Any
) -> tuple[list[float], pl.Trainer]:
    """Train on `batches`, with a smaller validation batch after each epoch."""
    losses = Losses()
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[losses, *([EagerValidation()] if is_compiled else [])],
        **{"max_epochs": 1, **options},
    )
    train = DataLoader(batches, batch_size=None)
    val = DataLoader([rows(batches[0], slice(0, n)) for n in (2, 3)], batch_size=None)
    with compiled(stage.networks()) if is_compiled else nullcontext():
        trainer.fit(stage, train, val, ckpt_path=resume, weights_only=False)
    return losses.values, trainer


@pytest.fixture
def pretrainer(views_of: Callable) -> Callable[..., tuple[Pretrainer, list[Any]]]:
    def make(*overrides: str) -> tuple[Pretrainer, list[Any]]:
        torch.manual_seed(0)
        cfg = compose_config(*overrides, "dataset.image_size=32")
        backbone, augmentations = TinyBackbone(), parts.build_view_augmentations(cfg)
        stage = Pretrainer(
            backbone=backbone,
            objective=parts.build_objective(cfg, backbone, augmentations),
            optimizer=parts.build_optimizer(cfg.pretrain.optimizer),
            warmup_epochs=0,
            gradient_cache_chunk=cfg.pretrain.gradient_cache_chunk,
        )
        return stage, [{name: views_of(a, 4) for name, a in augmentations.items()}] * 3

    return make


def finetuner(*overrides: str) -> tuple[Finetuner, list[Any]]:
    torch.manual_seed(0)
    cfg = compose_config(*overrides, "dataset.image_size=64")
    model = parts.build_model(cfg, TinyBackbone())
    optimizer = parts.build_optimizer(cfg.finetune.optimizer)
    stage = Finetuner(model=model, optimizer=optimizer, warmup_epochs=0)
    image = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)  # equal ones have no variance
    return stage, [labelled(4, seed=seed)._replace(image=image.roll(seed, 0)) for seed in range(3)]


def graphs() -> int:
    """How many graphs have been compiled since the last reset."""
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ("objective=hybrid",),
        ("objective=contrastive", "pretrain.gradient_cache_chunk=2"),
        ("objective=byol",),  # the teacher too
    ],
)
def test_pre_training_has_the_losses_of_eager_training(
    overrides: tuple[str, ...], pretrainer: Callable
) -> None:
    eager, _ = trained(*pretrainer(*overrides), is_compiled=False)
    assert graphs() == 0
    found, _ = trained(*pretrainer(*overrides), is_compiled=True)
    assert graphs() >= 1
    assert found == pytest.approx(eager, rel=1e-4)
    assert eager[0] != pytest.approx(eager[2], rel=1e-3)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("head", ["heatmap", "regression"])
@pytest.mark.parametrize("frozen", [False, True])
def test_fine_tuning_has_the_losses_of_eager_training(head: str, frozen: bool) -> None:
    overrides = (f"head={head}", f"finetune.freeze_backbone={frozen}", "head.root_depth=refined")
    eager, _ = trained(*finetuner(*overrides), is_compiled=False)
    found, _ = trained(*finetuner(*overrides), is_compiled=True)
    assert graphs() >= 2
    assert found == pytest.approx(eager, rel=1e-4)


@needs_compiler
@pytest.mark.slow
def test_checkpoints_fit_both_and_batches_of_any_size_compile_nothing(tmp_path: Path) -> None:
    names, values, files = {}, {}, {}
    for is_compiled in (False, True):
        stage, batches = finetuner("head=regression")
        _, trainer = trained(stage, batches, is_compiled=is_compiled)
        names[is_compiled] = list(stage.state_dict())
        files[is_compiled] = tmp_path / f"{is_compiled}.ckpt"
        trainer.save_checkpoint(files[is_compiled])
    assert names[False] == names[True]
    made = graphs()
    for begun in (False, True):
        for resumed in (False, True):
            stage, batches = finetuner("head=regression")
            values[begun, resumed], _ = trained(
                stage, batches, is_compiled=resumed, resume=files[begun], max_epochs=2
            )
    assert len(values[False, False]) == 3
    for found in values.values():
        assert found == pytest.approx(values[False, False], rel=1e-3)
    assert graphs() <= 3 * made  # once a training, however many sizes validation has


def test_compilation_ends_with_its_block() -> None:
    module = nn.Linear(2, 2)
    with compiled([module]):
        assert module._compiled_call_impl is not None
    assert module._compiled_call_impl is None


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    told = r"trainer\.compile=true: torch\.compile fails here \(.*no-such-compiler.*g\+\+"
    with (
        torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(ValueError, match=told),
    ):
        check_compiler("cpu")


@needs_compiler
@pytest.mark.slow
def test_a_compiler_that_is_there_is_enough() -> None:
    check_compiler("cpu")
