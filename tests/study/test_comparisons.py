"""The comparisons of a study with conditions: which pairs, which families, which seeds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handpose.study.comparisons import Findings, collect
from handpose.study.run_grid import Cell, RunGrid
from handpose.study.statistics import holm
from handpose.study.status import Status
from handpose.study.study_file import Study
from handpose.study.study_keys import Place

GONE = Cell("runs", "contrastive", 15, "heatmap", 0.05, condition="across")


@pytest.fixture
def findings(
    used: Study, finish: Callable[..., None], tmp_path: Path, rng: np.random.Generator
) -> Findings:
    """Every run but one, each with a number of its own."""
    status = Status(RunGrid(used), tmp_path)
    finish(*status.cells("pretrain"))
    for cell in status.cells("runs"):
        gain = 2 if cell.arm == "contrastive" else 0
        if cell != GONE:
            finish(cell, pa_epe_mm=12 + cell.seed / 10 - gain + rng.normal())
    return collect(status, [])


def test_pairs_are_compared_within_a_condition(findings: Findings) -> None:
    assert [(*place, *pair) for place, *pair in findings.comparisons] == [
        ("across", "regression", 0.05, "contrastive", "none"),
        ("across", "regression", 1.0, "contrastive", "none"),
        ("across", "heatmap", 0.05, "contrastive", "none"),
        ("across", "heatmap", 1.0, "contrastive", "none"),
        ("within", "heatmap", 0.05, "contrastive", "none"),
    ]
    place = Place("within", "heatmap", 0.05)
    own = [
        findings.values[place, "contrastive", seed].value
        - findings.values[place, "none", seed].value
        for seed in (5, 25)
    ]
    found = findings.comparisons[place, "contrastive", "none"].difference.estimate
    assert found.mean == pytest.approx(sum(own) / 2)


def test_each_family_is_corrected_for_its_own_number(findings: Findings) -> None:
    primary, others = findings.family(is_primary=True), findings.family(is_primary=False)
    assert (len(primary), len(others)) == (1, 4)
    assert primary[0].p_holm == primary[0].difference.p is not None
    expected = holm([one.difference.p for one in others])
    assert [one.p_holm for one in others] == expected
    # One family would correct all five together.
    together = holm([one.difference.p for one in [*primary, *others]])
    assert [one.p_holm for one in [*primary, *others]] != together


def test_without_a_primary_endpoint_there_is_one_family(used: Study, tmp_path: Path) -> None:
    status = Status(RunGrid(used.model_copy(update={"primary": None})), tmp_path)
    found = collect(status, [])
    assert (len(found.family(is_primary=True)), len(found.family(is_primary=False))) == (0, 5)


def test_a_seed_that_one_arm_lacks_is_dropped_and_named(findings: Findings) -> None:
    lacking = findings.comparisons[GONE.place, "contrastive", "none"]
    assert (lacking.difference.estimate.n, lacking.dropped) == (2, (15,))
    rest = [found for key, found in findings.comparisons.items() if key[0] != GONE.place]
    assert all(found.dropped == () for found in rest)
    assert [found.difference.estimate.n for found in rest] == [3, 3, 3, 2]  # two seeds are planned
