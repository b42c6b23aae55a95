"""A metric over the labels: which runs make a line together, what its mean is and its name."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from handpose.explore.finished_runs import Run
from handpose.explore.label_fractions import draw_fractions, fraction_lines

METRIC = "pa_epe_mm"
FRACTIONS = (0.1, 1.0)
SEEDS = (5, 15)
STUDY = "runs/studies/s/pretrain/{arm}/seed-{seed}"


def finished(value: float, *, seed: int = 5, fraction: float = 1.0, **changed: Any) -> Run:
    """A fine-tuning as a study's are; with its own `weights`, `head`, `lr` or `workers`."""
    kind = {"weights": None, "head": "heatmap", "lr": 1e-3, "workers": 0, **changed}
    config = {
        "seed": seed,
        "sweep": f"{value}",
        "trainer": {"num_workers": kind["workers"], "caps": None},
        "dataset": {"_target_": "handpose.data.sources.synthetic.Synthetic"},
        "backbone": {"name": "resnet18", "weights": kind["weights"]},
        "objective": {"_target_": None},
        "head": {"_target_": f"handpose.heads.{kind['head']}.Head"},
        "finetune": {"label_fraction": fraction, "optimizer": {"lr": kind["lr"]}},
    }
    return Run(f"{value}", Path("somewhere"), config, {METRIC: value}, 0.0)


def grid(base: float, *, weights: str | None = None, **changed: Any) -> list[Run]:
    """Both seeds on both shares: base + seed + share, so that a mean is base + 10 + share.

    Args:
        weights: {seed} in them is the run's.
    """
    return [
        finished(
            base + seed + fraction,
            seed=seed,
            fraction=fraction,
            weights=weights and weights.format(seed=seed),
            **changed,
        )
        for fraction in FRACTIONS
        for seed in SEEDS
    ]


def arm(base: float, name: str, place: str = STUDY) -> list[Run]:
    """The final runs of a study's arm: each seed from an encoder of its own."""
    return grid(base, weights=f"{place.replace('{arm}', name)}/backbone.pt")


def means(runs: list[Run]) -> dict[str, dict[float, float]]:
    return {line.label: line.means for line in fraction_lines(runs, METRIC)}


def expected(base: float) -> dict[float, object]:
    return {fraction: pytest.approx(base + 10 + fraction) for fraction in FRACTIONS}


def test_the_arms_of_a_study_are_lines_of_their_own() -> None:
    runs = [*grid(30), *arm(10, "contrastive"), *arm(20, "relative")]
    assert means(runs[::-1]) == {
        "from contrastive": expected(10),
        "from relative": expected(20),
        "from random weights": expected(30),
    }
    values = fraction_lines(arm(10, "contrastive"), METRIC)[0].values
    assert values == {0.1: [15.1, 25.1], 1.0: [16.0, 26.0]}


def test_a_random_start_is_not_imagenet() -> None:
    assert means([*grid(10), *grid(20, weights="imagenet")]) == {
        "from random weights": expected(10),
        "from imagenet": expected(20),
    }


@pytest.mark.parametrize(
    "place",
    ["sweep/objective-{arm}_seed-{seed}", "/runs/{arm}/seed={seed}", "seed-{seed}/{arm}"],
)
def test_the_seed_of_the_weights_is_no_difference(place: str) -> None:
    assert [*means(arm(10, "relative", place)).values()] == [expected(10)]
    assert len(means([*arm(10, "one", place), *arm(20, "two", place)])) == 2


def test_arms_of_one_name_are_told_by_their_studies() -> None:
    runs = [
        *arm(10, "relative", "a/pretrain/{arm}/seed-{seed}"),
        *arm(20, "relative", "b/x/{arm}/seed-{seed}"),
    ]
    assert means(runs) == {"from pretrain/relative": expected(10), "from x/relative": expected(20)}


def test_what_differs_is_said_and_no_more() -> None:
    assert [*means(grid(10, lr=3e-4))] == ["synthetic × resnet18 × none × heatmap"]
    assert means([*grid(10), *grid(20, lr=3e-4)]) == {
        "finetune.optimizer.lr=0.001": expected(10),
        "finetune.optimizer.lr=0.0003": expected(20),
    }
    other = grid(20, lr=3e-4, head="regression", weights="imagenet")
    assert means([*grid(10), *other]) == {
        "head=heatmap, from random weights": expected(10),
        "head=regression, from imagenet": expected(20),
    }


def test_what_cannot_change_a_result_parts_no_seeds() -> None:
    runs = [finished(10, workers=0), finished(20, seed=15, workers=2)]
    assert [*means(runs).values()] == [{1.0: 15}]


def test_an_upper_limit_is_a_difference() -> None:
    capped = finished(20)
    capped.config["trainer"]["caps"] = {"batches": 2}
    assert means([finished(10), capped]) == {
        "trainer.caps.batches=null": {1.0: 10},
        "trainer.caps.batches=2": {1.0: 20},
    }


def test_runs_without_the_metric_or_a_share_are_left_out() -> None:
    without = finished(10)._replace(results={METRIC: None})
    bare = Run("bare", Path("somewhere"), {}, {METRIC: 1.0}, 0.0)
    assert fraction_lines([without, bare], METRIC) == []
    assert draw_fractions([without], METRIC) is None
    assert len(means([without, *grid(10, weights="imagenet")])) == 1


def test_each_line_has_a_colour_of_its_own_and_a_name_below() -> None:
    one, two = (
        cv2.imdecode(np.frombuffer(draw_fractions(runs, METRIC), np.uint8), cv2.IMREAD_COLOR_RGB)
        for runs in (grid(10), [*grid(10), *arm(20, "$\\nonsense$")])
    )
    assert two.shape[0] > one.shape[0]
    red = (two == (0xEE, 0x66, 0x77)).all(-1)
    assert red.any()
    assert not (one == (0xEE, 0x66, 0x77)).all(-1).any()
