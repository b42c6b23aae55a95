"""The real train.py on sources in their official layouts."""

import json
from collections.abc import Callable
from pathlib import Path


def test_freihand_in_its_official_layout(
    train: Callable[..., Path], tmp_path: Path, write_freihand: Callable
) -> None:
    root = tmp_path / "freihand"
    write_freihand(root, annotations=10)
    run_dir = train("dataset=freihand", f"dataset.root={root}", "dataset.val_fraction=0.2")
    results = json.loads((run_dir / "results.json").read_text())
    assert results["n_test"] == 4
    assert results["pa_epe_mm"] > 0


def test_debug_takes_what_there_is_and_says_so(
    train: Callable[..., Path], real_samples: Path
) -> None:
    run_dir = train("dataset=freihand", f"paths.data={real_samples}")
    assert json.loads((run_dir / "results.json").read_text())["n_test"] == 8
    assert "taking another split for test" in (run_dir / "train.log").read_text()


def test_stages_can_have_datasets_of_their_own(
    train: Callable[..., Path], tmp_path: Path, write_freihand: Callable
) -> None:
    root = tmp_path / "freihand"
    write_freihand(root, annotations=10)
    run_dir = train("dataset@pretrain.dataset=freihand", f"pretrain.dataset.root={root}")
    config = json.loads((run_dir / "config.json").read_text())
    assert config["pretrain"]["dataset"]["_target_"].endswith("FreiHand")
    assert config["finetune"]["dataset"]["_target_"].endswith("Synthetic")


def test_wandb_offline_keeps_the_run_beside_its_files(train: Callable[..., Path]) -> None:
    run_dir = train("logger=wandb_offline", "objective=none", "logger.wandb.tags=[test]")
    assert (run_dir / "wandb_id").read_text()
    (folder,) = (run_dir / "wandb").glob("offline-run-*")
    assert list(folder.glob("run-*.wandb"))
    media = {path.name.split("_")[0] for path in folder.rglob("*.png")}
    assert media, "the report's pictures are logged"
    assert (run_dir / "metrics.csv").exists()
