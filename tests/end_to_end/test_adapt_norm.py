"""scripts/adapt_norm.py: BatchNorm statistics of the evaluated images, and the error with them."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
SCRIPT, TRAIN = ROOT / "scripts" / "adapt_norm.py", ROOT / "train.py"
adapt = runpy.run_path(str(SCRIPT))["adapt"]


def test_statistics_are_the_mean_of_the_batches_and_the_weights_stay() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3)).eval()
    weights = [parameter.clone() for parameter in model.parameters()]
    draws = torch.Generator().manual_seed(0)
    batches = [(torch.randn(64, 3, generator=draws) * 2 + 5,) for _ in range(4)]
    assert adapt(model, batches) == 1
    norm = model[0]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    torch.testing.assert_close(
        norm.running_mean, torch.stack([x.mean(0) for (x,) in batches]).mean(0)
    )
    torch.testing.assert_close(
        norm.running_var, torch.stack([x.var(0) for (x,) in batches]).mean(0)
    )
    assert not norm.training
    assert all(map(torch.equal, weights, model.parameters()))


def test_a_run_is_evaluated_as_it_is_and_adapted(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    choices = ["trainer=debug", "dataset.image_size=32", "objective=none", "report=false"]
    places = [f"paths.cache={cache}", f"hydra.run.dir={run}"]
    monkeypatch.setattr(sys, "argv", [str(TRAIN), *choices, *places])
    runpy.run_path(str(TRAIN), run_name="__main__")
    weights = (run / "model.pt").read_bytes()
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(run), str(run)])
    capsys.readouterr()
    runpy.run_path(str(SCRIPT), run_name="__main__")
    out = capsys.readouterr().out
    found = re.search(r"run: ([\d.]+) mm, adapted ([\d.]+) mm\n", out)
    assert found is not None
    before, after = map(float, found.groups())
    of_run = json.loads((run / "results.json").read_text())["pa_epe_mm"]
    assert before == pytest.approx(of_run, abs=0.01)
    assert after != before
    assert f"2 runs: {before:.2f} ± 0.00 mm, adapted {after:.2f} ± 0.00 mm" in out
    assert (run / "model.pt").read_bytes() == weights


def test_no_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
