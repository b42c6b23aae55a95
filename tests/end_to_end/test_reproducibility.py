"""One seed, one result: with any number of workers; another seed, another."""

import json
from collections.abc import Callable
from pathlib import Path

import torch


def _weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "model.pt", weights_only=True)["state_dict"]


def test_weights_are_identical_with_0_and_2_workers_and_differ_by_seed(
    train: Callable[..., Path],
) -> None:
    common = ("objective=relative", "head=regression", "finetune.label_fraction=0.5")
    one = _weights(first := train(*common, name="one"))
    two = _weights(train(*common, "trainer.num_workers=2", name="two"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    other = _weights(train(*common, "seed=15", name="other"))
    assert not torch.equal(one["head.mlp.0.weight"], other["head.mlp.0.weight"])
    results = json.loads((first / "results.json").read_text())
    assert results["split"] == "test"
    of_run, of_all = (results[f"mean_pose_{labels}pa_epe_mm"] for labels in ("", "all_labels_"))
    assert of_run != of_all, "the mean pose is of the labels that the run had"
