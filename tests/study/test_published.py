"""The numbers of lab_to_wild in the documentation are those of the raw results beside it."""

import re
from pathlib import Path

import pytest

from handpose.study.command import _DEFINITIONS
from handpose.study.comparisons import Findings, collect
from handpose.study.planned_runs import load_study
from handpose.study.run_grid import RunGrid
from handpose.study.stored_results import StoredStatus, load
from handpose.study.study_file import parse_study

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "invariance_or_equivariance.md"


@pytest.fixture(scope="module")
def findings() -> Findings:
    study = parse_study(load_study("lab_to_wild", _DEFINITIONS))
    stored = load([ROOT / "docs" / "study_results.json"], name=study.name)
    status = StoredStatus(RunGrid(study), Path("nowhere"), records=stored.records)
    status.find_changed()
    assert not status.changed, "the study's file has other settings than the runs"
    return collect(status, [], day=stored.day)


def _table(path: Path, start: str) -> str:
    """The table behind a text, without bold type."""
    text = path.read_text().partition(start)[2]
    return text[text.index("\n|") : text.index("\n\n", text.index("\n|"))].replace("*", "")


@pytest.mark.parametrize(
    ("path", "start"),
    [(PAGE, "`pa_epe_mm` on 2,000"), (ROOT / "README.md", "`handpose study lab_to_wild`")],
)
def test_means_and_intervals(findings: Findings, path: Path, start: str) -> None:
    means = findings.means.values()
    known = {f"{m.mean:.2f} ± {m.half:.2f}" for m in means if m.mean is not None and m.half}
    shown = re.findall(r"[\d.]+ ± [\d.]+", _table(path, start))
    assert len(shown) >= 9
    assert set(shown) <= known


def test_differences_between_the_arms(findings: Findings) -> None:
    found = [c for (_, arm, other), c in findings.comparisons.items() if other == "contrastive"]
    known = set()
    for one in found:
        mean, low, high = one.difference.estimate[1:4]
        if None not in (mean, low, high):
            known.add(f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−"))
    shown = re.findall(r"[−+][\d.]+ \[[−+][\d.]+, [−+][\d.]+\]", _table(PAGE, "`pa_epe_mm` on 2,"))
    assert shown
    assert set(shown) <= known
