"""The training curves of several runs side by side."""

from pathlib import Path

import pytest

from handpose.explore.comparison import draw_training, lettered, stage_lines
from handpose.explore.finished_runs import Run
from handpose.loggers.csv_log import read_curves

_CURVES = """epoch,step,name,value
0,4,pretrain/train_loss,3.0
0,4,pretrain/val_loss,2.5
1,8,pretrain/val_loss,2.0
0,4,finetune/train_loss,1.0
"""


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(_CURVES)
    (tmp_path / "none").mkdir()
    return [Run(name, tmp_path / name, {}, {}, 0.0) for name in ("one", "two", "none")]


def test_each_quantity_has_a_line_for_each_run_that_logged_it(runs: list[Run]) -> None:
    curves = {run.name: read_curves(run.folder / "metrics.csv") for run in runs}
    assert stage_lines(curves, "pretrain") == {
        "loss": {name: [(1, 2.5), (2, 2.0)] for name in ("one", "two")}
    }
    assert stage_lines(curves, "finetune") == {
        "loss": {name: [(1, 1.0)] for name in ("one", "two")}
    }, "of training, where no validation was logged"


def test_they_are_drawn_and_links_to_outside_are_refused(runs: list[Run], tmp_path: Path) -> None:
    png = draw_training(lettered(runs), tmp_path, "pretrain")
    assert png is not None
    assert png.startswith(b"\x89PNG")
    assert draw_training(lettered(runs[2:]), tmp_path, "pretrain") is None
    (tmp_path / "none" / "metrics.csv").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="outside"):
        draw_training(lettered(runs), tmp_path, "pretrain")
