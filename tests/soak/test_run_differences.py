"""Two runs are the same only if every bit is, and what took how long does not count."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from run_differences import differences, nested_differences

from handpose.weights import torch_file

HEAD = "epoch,step,name,value\n"
ROWS = "0,3,pretrain/train_loss,2.5\n0,7,finetune/train_loss,1.25\n"


def finished(run_dir: Path) -> Path:
    """A run directory with one of each file that is compared."""
    weights = {"conv.weight": torch.tensor([0.0, 1.0]), "batches": torch.tensor(3)}
    meta = {"seed": 5, "results": {"finetune_seconds": 7.0, "skipped": 0}}
    torch_file.save({"state_dict": weights, "meta": meta}, run_dir / "model.pt")
    momentum = {"state": {0: {"exp_avg": torch.ones(2, dtype=torch.bfloat16)}}}
    kept = {"epoch": 1, "global_step": 8, "state_dict": weights, "lr_schedulers": [{"last": 8}]}
    kept |= {"optimizer_states": [momentum], "seconds": 3.0, "callbacks": {"path": str(run_dir)}}
    (run_dir / "checkpoints").mkdir()
    torch_file.save(kept, run_dir / "checkpoints" / "finetune" / "last.ckpt")
    (run_dir / "results.json").write_text(json.dumps({"epe_mm": 11.5, "finetune_seconds": 7.0}))
    (run_dir / "metrics.csv").write_text(HEAD + ROWS)
    return run_dir


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    one = finished(tmp_path / "one")
    return one, Path(shutil.copytree(one, tmp_path / "other"))


def edit_pt(path: Path, change: Callable[[Any], object]) -> None:
    content = torch_file.load(path)
    change(content)
    torch_file.save(content, path)


def test_seconds_places_and_repeated_rows_do_not_count(runs: tuple[Path, Path]) -> None:
    one, other = runs
    assert differences(one, other) == []
    results = {"epe_mm": 11.5, "finetune_seconds": 70.0, "finetune_step_p50_ms": 3.0}
    (other / "results.json").write_text(json.dumps(results))
    (other / "metrics.csv").write_text(HEAD + ROWS + ROWS.splitlines()[1])
    edit_pt(other / "model.pt", lambda c: c["meta"]["results"].update(finetune_seconds=70.0))
    last = other / "checkpoints" / "finetune" / "last.ckpt"
    edit_pt(last, lambda content: content.update(seconds=70.0, callbacks={}))
    assert differences(one, other) == []


def test_of_the_curves_of_steps_speed_and_memory_do_not_count(runs: tuple[Path, Path]) -> None:
    one, other = runs
    for run_dir, speed, loss in ((one, 100.0, 2.0), (other, 120.0, 2.5)):
        rows = f"0,1,finetune/step_images_per_second,{speed}\n0,1,finetune/step_loss,{loss}\n"
        (run_dir / "metrics.csv").write_text(HEAD + ROWS + rows)
    assert differences(one, other) == ["metrics.csv/0,1,finetune/step_loss/0"]


def test_every_file_is_looked_into(runs: tuple[Path, Path]) -> None:
    one, other = runs
    edit_pt(other / "model.pt", lambda c: c["state_dict"]["conv.weight"][0].neg_())  # 0 -> -0
    last = other / "checkpoints" / "finetune" / "last.ckpt"
    edit_pt(last, lambda c: c["optimizer_states"][0]["state"][0]["exp_avg"].mul_(1.01))
    (other / "results.json").write_text(json.dumps({"epe_mm": 11.500001}))
    (other / "metrics.csv").write_text(HEAD + ROWS + "0,3,pretrain/train_loss,2.6\n")
    assert differences(one, other) == [
        "model.pt/state_dict/conv.weight",
        "checkpoints/finetune/last.ckpt/optimizer_states/0/state/0/exp_avg",
        "results.json/epe_mm",
        "metrics.csv/0,3,pretrain/train_loss (lengths 1 and 2)",
    ]


def test_a_file_or_a_row_that_one_lacks_is_named(runs: tuple[Path, Path]) -> None:
    one, other = runs
    (other / "model.pt").unlink()
    (other / "metrics.csv").write_text(HEAD + ROWS.splitlines()[0])
    assert differences(one, other) == [
        "model.pt (in one only)",
        "metrics.csv/0,7,finetune/train_loss (in one only)",
    ]


def test_not_a_number_is_the_same_as_itself_and_a_type_is_not_another() -> None:
    nan = torch.tensor([float("nan")])
    assert nested_differences({"a": nan}, {"a": nan.clone()}) == []
    assert nested_differences({"a": torch.ones(1)}, {"a": torch.ones(1).double()}) == ["a"]
    assert nested_differences([1], [1.0]) == ["0"]
