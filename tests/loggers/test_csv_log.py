"""The CSV log: appended to by every process of a run, and read back for the report."""

from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import DummyLogger

from handpose.loggers.csv_log import CsvLog, add_curves, read_curves, read_steps


def test_curves_come_back(tmp_path: Path) -> None:
    log = CsvLog(tmp_path / "metrics.csv")
    log.log_metrics({"epoch": 0, "loss": 2.0, "error": 5.0}, step=9)
    CsvLog(tmp_path / "metrics.csv").log_metrics({"epoch": 1, "loss": 1.0}, step=19)
    curves = read_curves(tmp_path / "metrics.csv")
    assert curves == {"loss": [(0, 2.0), (1, 1.0)], "error": [(0, 5.0)]}


def test_of_a_repeated_epoch_the_last_value_counts(tmp_path: Path) -> None:
    log = CsvLog(tmp_path / "metrics.csv")
    log.log_metrics({"epoch": 0, "loss": 2.0})
    log.log_metrics({"epoch": 0, "loss": 3.0})
    assert read_curves(tmp_path / "metrics.csv") == {"loss": [(0, 3.0)]}


def test_half_a_row_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    CsvLog(path).log_metrics({"epoch": 0, "loss": 2.0}, step=9)
    path.write_text(path.read_text() + "1,19,lo")
    assert read_curves(path) == {"loss": [(0, 2.0)]}


def test_half_a_row_is_replaced_and_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    whole = CsvLog(tmp_path / "whole.csv")
    for log in (whole, CsvLog(path)):
        log.log_metrics({"epoch": 0, "loss": 2.0}, step=9)
    whole.log_metrics({"epoch": 1, "loss": 1.25}, step=19)
    added = (tmp_path / "whole.csv").read_bytes()[path.stat().st_size :]
    before = path.read_bytes()
    for cut in range(len(added)):
        path.write_bytes(before + added[:cut])
        CsvLog(path).log_metrics({"epoch": 1, "loss": 1.25}, step=19)
        assert read_curves(path) == read_curves(tmp_path / "whole.csv"), cut
    path.write_bytes(b"epoch,st")
    CsvLog(path).log_metrics({"epoch": 1, "loss": 1.25}, step=19)
    assert read_curves(path) == {"loss": [(1, 1.25)]}


def test_values_of_steps_are_curves_of_their_own(tmp_path: Path) -> None:
    """What a resumed run has logged again counts as it was last."""
    log = CsvLog(tmp_path / "metrics.csv")
    for step, value in ((0, 3.0), (9, 2.0), (9, 1.5)):
        log.log_metrics({"epoch": 0, "pretrain/step_loss": value}, step=step)
    log.log_metrics({"epoch": 0, "pretrain/train_loss": 2.5}, step=9)
    assert read_curves(log.path) == {"pretrain/train_loss": [(0, 2.5)]}
    assert read_steps(log.path) == {"pretrain/step_loss": [(0, 3.0), (9, 1.5)]}


def test_no_log_is_no_curve(tmp_path: Path) -> None:
    assert read_curves(tmp_path / "metrics.csv") == {}


class Told(DummyLogger):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[dict[str, Any], int | None]] = []

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:  # type: ignore[override]
        self.calls.append((metrics, step))


def test_curves_of_another_run_are_told_to_the_other_loggers_too(tmp_path: Path) -> None:
    """As they were told to the other run's, and each once."""
    theirs, own = CsvLog(tmp_path / "theirs.csv"), CsvLog(tmp_path / "own.csv")
    first, second = {"pretrain/loss": 2.0, "pretrain/rank": 5.0}, {"pretrain/loss": 1.5}
    theirs.log_metrics({"epoch": 0, **first}, step=9)
    theirs.log_metrics({"epoch": 1, **second}, step=19)
    own.log_metrics({"epoch": 0, **first}, step=9)
    told = Told()
    for _ in range(2):
        add_curves(theirs.path, own.path, [own, told])
    assert told.calls == [({"epoch": 1.0, **second}, 19)]
    assert read_curves(own.path) == read_curves(theirs.path)
    theirs.log_metrics({"epoch": 1, **second}, step=19)  # again, after a resume
    add_curves(theirs.path, tmp_path / "new.csv", [told])
    assert told.calls[1:] == [({"epoch": 0.0, **first}, 9), ({"epoch": 1.0, **second}, 19)]
    add_curves(tmp_path / "none.csv", tmp_path / "none_either.csv")
    assert not (tmp_path / "none_either.csv").exists()
