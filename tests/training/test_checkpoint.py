"""Checkpoints of a stage: the best one, and the last one, after every epoch."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from handpose.training import checkpoint
from handpose.weights import torch_file


def test_a_moved_folder_keeps_its_best_score(tmp_path: Path) -> None:
    before, _ = checkpoint.stage_checkpoints(tmp_path / "before", monitor="error")
    best = str(tmp_path / "before" / "best.ckpt")
    before.best_model_score = before.kth_value = torch.tensor(0.25)
    before.best_model_path = before.kth_best_model_path = best
    before.best_k_models = {best: torch.tensor(0.25)}
    after, _ = checkpoint.stage_checkpoints(tmp_path / "after", monitor="error")
    after.load_state_dict(before.state_dict())
    assert after.best_model_score == 0.25
    assert after.best_k_models == {str(tmp_path / "after" / "best.ckpt"): torch.tensor(0.25)}
    assert (
        after.best_model_path == after.kth_best_model_path == str(tmp_path / "after" / "best.ckpt")
    )


class Worsening(pl.LightningModule):
    """Best after its first epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return (self.weight * batch).sum()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("error", float(self.current_epoch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize(("monitor", "best"), [("error", {"best.ckpt": 1}), (None, {})])
def test_every_epoch_leaves_a_checkpoint_the_best_one_or_not(
    monitor: str | None, best: dict[str, int], tmp_path: Path
) -> None:
    """Or a run would go on from its best epoch, and do all that came after it again."""
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=4,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*checkpoint.stage_checkpoints(tmp_path, monitor=monitor)],
        plugins=[checkpoint.VerifiedCheckpointIO()],
    )
    batches = DataLoader(torch.ones(4, 1), batch_size=2)
    trainer.fit(Worsening(), batches, batches)
    steps = {path.name: torch_file.load(path)["global_step"] for path in tmp_path.iterdir()}
    assert steps == {"last.ckpt": 8, "previous.ckpt": 6} | {k: 2 * n for k, n in best.items()}
    if monitor:
        state = torch_file.load(tmp_path / "last.ckpt")["callbacks"]
        (own,) = [value for key, value in state.items() if f"'monitor': '{monitor}'" in key]
        assert own["best_model_score"] == 0
