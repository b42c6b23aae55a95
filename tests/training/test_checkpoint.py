"""A checkpoint is whole or named as damaged; what was there before survives a failed save."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from handpose.training import checkpoint


def test_round_trip(tmp_path: Path) -> None:
    content = {"state_dict": {"w": torch.randn(3)}, "meta": {"epoch": 4, "name": "x"}}
    checkpoint.save(content, tmp_path / "deep" / "a.pt")
    loaded = checkpoint.load(tmp_path / "deep" / "a.pt")
    assert torch.equal(loaded["state_dict"]["w"], content["state_dict"]["w"])
    assert loaded["meta"] == content["meta"]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "missing"])
def test_damage_is_found_and_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save({"w": torch.randn(1000)}, path)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[2000] ^= 1
    path.write_bytes({"flip": content, "cut": content[:-50]}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    with pytest.raises(ValueError, match=r"a\.pt is damaged or missing"):
        checkpoint.load(path)


def test_a_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save({"w": 1}, path)
    with pytest.raises(Exception, match="pickle"):
        checkpoint.save({"w": lambda: 0}, path)
    assert checkpoint.load(path) == {"w": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"w": Trap()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt is refused: .* None was run"):
        checkpoint.load(tmp_path / "a.pt")
    assert not (tmp_path / "sprung").exists()


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
    steps = {path.name: checkpoint.load(path)["global_step"] for path in tmp_path.iterdir()}
    assert steps == {"last.ckpt": 8, "previous.ckpt": 6} | {k: 2 * n for k, n in best.items()}
    if monitor:
        state = checkpoint.load(tmp_path / "last.ckpt")["callbacks"]
        (own,) = [value for key, value in state.items() if f"'monitor': '{monitor}'" in key]
        assert own["best_model_score"] == 0
