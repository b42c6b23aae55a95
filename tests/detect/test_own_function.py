"""A user's own detector: found, filtered, and refused by what is wrong with it."""

import sys
from pathlib import Path

import documents
import numpy as np
import pytest

from handpose.data.synthetic.render import render_hand
from handpose.detect.base import Detection
from handpose.detect.loading import load_detector

IMAGE = np.zeros((48, 64, 3), np.uint8)
UV = np.full((21, 2), 5.0, np.float32)
HAND = ([10.0, 20.0, 8.0], "left", 0.5, UV)
MODULE = """
import numpy as np
from handpose.detect.base import Detection

def middle(image):
    height, width = image.shape[:2]
    box = [(width - 1) / 2, (height - 1) / 2, height]
    return [Detection(box, "left", score, None) for score in (0.2, 0.9, 0.6)]

table = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working directory; restores what its import changes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_hands.py").write_text(MODULE)
    (tmp_path / "needs_more.py").write_text("import not_there_at_all\n")
    monkeypatch.delitem(sys.modules, "own_hands", raising=False)
    return "own_hands"


def test_the_best_come_first_and_the_faint_ones_are_left_out(own: str) -> None:
    found = load_detector(f"{own}:middle", min_score=0.5)(IMAGE)
    assert [hand.score for hand in found] == [0.9, 0.6]
    assert found[0].box.tolist() == [31.5, 23.5, 48]
    assert found[0].box.dtype == np.float32
    assert np.isnan(found[0].uv).all()
    assert found[0].uv.shape == (21, 2)
    assert len(load_detector(f"{own}:middle", num_hands=1)(IMAGE)) == 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("own_hands:midle", "midle is not in own_hands; did you mean middle?"),
        ("own_hands:table", "table is not a function"),
        ("owm_hands:middle", "there is no module owm_hands"),
        ("own_hands.more:middle", "no module own_hands.more"),
        ("needs_more:middle", "needs_more needs not_there_at_all; install it"),
        ("own hands:middle", "package.module:function"),
        ("own_hands:", "package.module:function"),
        ("no/such.task", "no such model file"),
        ("neither", "no such model file"),
    ],
)
def test_a_wrong_name_is_refused(own: str, spec: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")) as refused:
        load_detector(spec)
    assert spec in str(refused.value)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "NoneType; return a list"),
        ([{"box": 1}], r"Detection\(box, side, score, uv\)"),
        ([([1, 2, 3, 4], *HAND[1:])], r"a box of shape \(4,\); return \(3,\)"),
        ([(["a", "b", "c"], *HAND[1:])], "the box"),
        ([([1, 2, np.nan], *HAND[1:])], "finite numbers"),
        ([([1, 2, 0], *HAND[1:])], "a side above 0"),
        ([(HAND[0], "Left", *HAND[2:])], "the side 'Left'; return 'left' or 'right'"),
        ([(*HAND[:2], 97, HAND[3])], "the score 97; return a number from 0 to 1"),
        ([(*HAND[:2], np.nan, HAND[3])], "the score nan"),
        ([(*HAND[:3], UV[:20])], r"a uv of shape \(20, 2\); return \(21, 2\)"),
    ],
)
def test_a_wrong_hand_is_refused(
    own: str, found: object, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect = load_detector(f"{own}:middle")
    monkeypatch.setattr(detect, "_function", lambda image: found)
    with pytest.raises(ValueError, match=f"{own}:middle returned .*{words}"):
        detect(IMAGE)


def test_a_tuple_of_the_four_is_a_hand(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    detect = load_detector(f"{own}:middle")
    monkeypatch.setattr(detect, "_function", lambda image: (HAND, Detection(*HAND)))
    one, other = detect(IMAGE)
    assert one.side == other.side == "left"
    assert np.array_equal(one.uv, other.uv)


@pytest.mark.parametrize(
    "wrong", [{"min_score": 1.5}, {"min_score": float("nan")}, {"num_hands": 0}]
)
def test_a_number_out_of_range_is_refused(own: str, wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        load_detector(f"{own}:middle", **wrong)


def test_the_guide_s_detector_finds_a_rendered_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = documents.files(documents.ROOT / "docs" / "guide" / "wild_video.md")
    (tmp_path / "own_hands.py").write_text(shown["own_hands.py"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_hands", raising=False)
    detect = load_detector("own_hands:find")
    near = 0
    for seed in range(12):
        hand = render_hand(np.random.default_rng(seed), size=128, orientation="frontal")
        distances = [np.linalg.norm(one.box[:2] - hand.box[:2]) for one in detect(hand.image)]
        near += min(distances, default=np.inf) < 0.3 * hand.box[2]
    monkeypatch.delitem(sys.modules, "own_hands")
    assert near >= 4
    assert detect(IMAGE) == []
