"""finetune.layer_decay reaches the optimizer, and with it the weights."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

Train = Callable[..., Path]
SETTINGS = ("objective=none", "head=regression", "optimizer@finetune.optimizer=adamw")
STEM = "backbone.network.conv1.weight"


def weights(run_dir: Path) -> dict[str, Tensor]:
    return torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]


def test_the_nearer_to_the_input_the_less_is_changed(train: Train) -> None:
    start = weights(train(*SETTINGS, "finetune.optimizer.lr=1.0e-12", name="start"))
    plain = weights(train(*SETTINGS, name="plain"))
    decayed = weights(train(*SETTINGS, "finetune.layer_decay=0.1", name="decayed"))

    def moved(after: dict[str, Tensor], name: str) -> float:
        return float((after[name] - start[name]).abs().mean())

    (head,) = [name for name in start if name.startswith("head") and name.endswith("0.weight")]
    assert moved(decayed, head) > 0.5 * moved(plain, head)
    assert moved(decayed, STEM) < 0.01 * moved(plain, STEM)
