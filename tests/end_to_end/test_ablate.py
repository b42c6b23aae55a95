"""scripts/ablate_lab_to_wild.py: what its runs change; a finished one is not made again."""

import json
import runpy
import subprocess
from pathlib import Path

import pytest

from handpose import compose_config

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "ablate_lab_to_wild.py"))
NAMES = [(kind, name) for kind, runs in SCRIPT["VARIANTS"].items() for name in runs]
# 64 unlabelled and 40 labelled hands, one epoch of each stage.
TINY = ["pretrain.max_epochs=1", "pretrain.warmup_epochs=0", "pretrain.samples_per_epoch=64"]
TINY += ["pretrain.dataset.num_train=64", "pretrain.probe.every_n_epochs=1", "backbone=resnet18"]
TINY += ["finetune.max_epochs=1", "finetune.samples_per_epoch=32", "finetune.dataset.num_val=20"]
TINY += [
    "finetune.dataset.num_train=40",
    "finetune.label_fraction=1",
    "evaluate.dataset.num_val=20",
]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_run_has_its_own_settings(kind: str, name: str) -> None:
    cfg = compose_config("experiment=lab_to_wild", *SCRIPT["VARIANTS"][kind][name])
    if kind == "budget":
        pairs = cfg.pretrain.max_epochs * cfg.pretrain.samples_per_epoch
        assert name.endswith(f", {pairs // 1000}k pairs")
        assert cfg.pretrain.warmup_epochs == cfg.pretrain.max_epochs / 10
    assert name.split(",")[0] != "contrastive" or cfg.objective._target_.endswith("Contrastive")


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
