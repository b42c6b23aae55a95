"""scripts/ablate_lab_to_wild.py: what its runs change; a finished one is not made again."""

import copy
import json
import runpy
import subprocess
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from handpose import compose_config

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "ablate_lab_to_wild.py"))
# 64 unlabelled and 40 labelled hands, one epoch of each stage.
TINY = ["pretrain.max_epochs=1", "pretrain.warmup_epochs=0", "pretrain.samples_per_epoch=64"]
TINY += ["pretrain.dataset.num_train=64", "pretrain.probe.every_n_epochs=1", "backbone=resnet18"]
TINY += ["finetune.max_epochs=1", "finetune.samples_per_epoch=32", "finetune.dataset.num_val=20"]
TINY += [
    "finetune.dataset.num_train=40",
    "finetune.label_fraction=1",
    "evaluate.dataset.num_val=20",
]


def _composed(kind: str, name: str) -> DictConfig:
    return compose_config("experiment=lab_to_wild", *SCRIPT["VARIANTS"][kind][name])


@pytest.mark.parametrize("name", SCRIPT["VARIANTS"]["budget"])
def test_a_budget_has_the_pairs_and_the_arm_of_its_name(name: str) -> None:
    cfg = _composed("budget", name)
    arm, _, pairs = name.partition(", ")
    assert pairs == f"{cfg.pretrain.max_epochs * cfg.pretrain.samples_per_epoch // 1000}k pairs"
    assert cfg.pretrain.warmup_epochs == cfg.pretrain.max_epochs / 10
    assert cfg.objective._target_.rpartition(".")[-1].lower() == arm
    assert cfg.pretrain.batch_size == {"relative": 128, "contrastive": 64}[arm]  # as tuned


CHANGES = {  # of relative as tuned
    "relative": {},
    "layer decay 0.75": {"finetune.layer_decay": 0.75},
    "half the learning rate": {"finetune.optimizer.lr": 0.00747 / 2},
    "no average of weights": {"finetune.average_decay": None},
    "twice the crops": {"finetune.max_epochs": 30},
    "latent keypoints": {"objective.num_keypoints": 32},
    "batch 256": {"pretrain.batch_size": 256},
}


def test_a_method_changes_what_its_name_says() -> None:
    base = _composed("method", "relative")
    for name, changed in CHANGES.items():
        expected = copy.deepcopy(base)
        for key, value in changed.items():
            OmegaConf.update(expected, key, value)
        cfg = _composed("method", name)
        for part in ("objective", "pretrain", "finetune", "augment"):
            expected.pretrain.share = cfg.pretrain.share = None  # changes no weights
            assert cfg[part] == expected[part], name
    others = SCRIPT["VARIANTS"]["method"].keys() - CHANGES.keys()
    assert others == {"hybrid", "contrastive", "contrastive, mined by the true pose"}
    hybrid = _composed("method", "hybrid").pretrain
    for key in ("batch_size", "optimizer", "positives"):
        assert hybrid[key] == base.pretrain[key]


@pytest.mark.slow
def test_a_finished_run_is_kept_and_other_settings_are_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "relative, 40k pairs"
    every = [*SCRIPT["VARIANTS"]["budget"][name], *TINY, f"paths.cache={cache}"]
    found = SCRIPT["run"]("budget", name, every)
    folder = tmp_path / "runs" / "ablate" / "budget" / "relative_40k-pairs"
    results = json.loads((folder / "results.json").read_text())
    assert (results["split"], results["pa_epe_mm"]) == ("val", found["pa_epe_mm"])
    assert found["probe"] > 0
    written = (folder / "model.pt").stat().st_mtime_ns
    assert SCRIPT["run"]("budget", name, every) == found
    assert (folder / "model.pt").stat().st_mtime_ns == written
    with pytest.raises(subprocess.CalledProcessError):
        SCRIPT["run"]("budget", name, [*every, "seed=1006"])
