"""Facts -> advice: what blocks a training, and the command that helps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from handpose.doctor.advice import Advice, DatasetFacts, Request, advise
from handpose.doctor.findings import Finding, SourceFacts, SplitFacts
from handpose.doctor.measures import Measures

REQUEST = Request(["dataset=some", "paths.data=some where"], Path("doctor/some"))
BAD = (Finding("a.jpg", "empty", False), Finding("b.json#3", "NaN", False))
Make = Callable[..., SourceFacts]


def _advise(
    *sources: SourceFacts, request: Request = REQUEST, key: str = "dataset"
) -> list[Advice]:
    return advise([DatasetFacts(key, sources)], request)


def _one(advice: list[Advice], words: str) -> Advice:
    (found,) = [line for line in advice if words in line.text]
    return found


def test_nothing_to_say_about_healthy_data(make_facts: Make) -> None:
    assert _advise(make_facts()) == []


def test_bad_files_block_until_they_are_listed(make_facts: Make) -> None:
    advice = _advise(make_facts(findings=BAD))
    line = _one(advice, "2 bad files")
    assert line.blocks
    assert line.command == (
        "python scripts/doctor.py dataset=some 'paths.data=some where' "
        "--quarantine doctor/some/quarantine.csv"
    )
    listed = REQUEST._replace(quarantine=Path("bad.csv"))
    line = _one(_advise(make_facts(findings=BAD), request=listed), "2 bad files")
    assert not line.blocks
    assert line.command.endswith("'paths.data=some where' dataset.quarantine=bad.csv")


def test_what_went_bad_since_the_index_was_built_blocks(make_facts: Make) -> None:
    listed = REQUEST._replace(quarantine=Path("bad.csv"))
    (line,) = _advise(make_facts(gone_bad=BAD[:1]), request=listed)
    assert line.blocks
    assert "Remove cache/index/some" in line.text


def test_a_listed_file_replaces_the_one_given_before(make_facts: Make) -> None:
    request = Request(["dataset.quarantine=old.csv"], Path("out"), Path("new.csv"))
    line = _one(_advise(make_facts(findings=BAD), request=request), "2 bad files")
    assert line.command == "python train.py dataset.quarantine=new.csv"


def test_what_is_left_out_knowingly_does_not_block(make_facts: Make) -> None:
    known = tuple(finding._replace(is_left_out=True) for finding in BAD)
    (line,) = _advise(make_facts(findings=known))
    assert not line.blocks
    assert "left out; training skips them" in line.text
    settings = {"root": "data/some", "quarantine": "bad.csv"}
    (line,) = _advise(make_facts(findings=known, settings=settings))
    assert "left out by dataset.quarantine" in line.text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("missing", "Add data/some/x.json: missing"),
        ("at character 3: the file is cut short", "download data/some/x.json again"),
        ("there is no list 'images' in it", "Fix data/some/x.json"),
    ],
)
def test_fatal_files_have_a_remedy_each(reason: str, words: str, make_facts: Make) -> None:
    broken = make_facts(is_fatal=True, splits=(), findings=(Finding("x.json", reason, False),))
    (line,) = _advise(broken)
    assert line.blocks
    assert words in line.text


def test_records_with_the_same_fault_have_one_line(make_facts: Make) -> None:
    findings = [Finding(f"x.json#{i}", "its side is not known", False) for i in range(9)]
    findings += [Finding(f"y.json#{i}", f"reason {i}", False) for i in range(7)]
    broken = make_facts(is_fatal=True, splits=(), findings=tuple(findings))
    first, *others, last = _advise(broken)
    assert first.text == (
        "Fix data/some/x.json#0: its side is not known. The same holds for 8 more in the table."
    )
    assert [line.text for line in others] == [
        f"Fix data/some/y.json#{i}: reason {i}." for i in range(4)
    ]
    assert last.text == "some: fix 3 more from the table."


def test_without_validation_hands(make_facts: Make, make_split: Callable) -> None:
    rest = (make_split("train"), make_split("test"))
    missing = make_facts(splits=rest, missing={"val": "none"})
    line = _one(_advise(missing), "no validation hands")
    assert line.blocks
    assert line.command.endswith("trainer=debug")
    cut = missing._replace(settings={"val_fraction": 0.1})
    assert _one(_advise(cut), "validation").command.endswith("dataset.val_fraction=0.5")
    already = missing._replace(settings={"val_fraction": 0.5})
    assert _one(_advise(already), "validation").command.endswith("trainer=debug")
    debugged = _advise(missing, request=REQUEST._replace(debug=True))
    assert not _one(debugged, "no validation hands").blocks


def test_without_test_hands_the_validation_split_is_evaluated(
    make_facts: Make, make_split: Callable
) -> None:
    rest = (make_split("train"), make_split("val"))
    missing = make_facts(splits=rest, missing={"test": "none"})
    (line,) = _advise(missing)
    assert line.blocks
    assert line.command.endswith("evaluate.split=val")
    assert _advise(missing, key="pretrain.dataset") == []
    for needs_none in ({"has_head": False}, {"evaluated": "val"}, {"debug": True}):
        assert _advise(missing, request=REQUEST._replace(**needs_none)) == []


def test_without_training_hands_nothing_works(make_facts: Make, make_split: Callable) -> None:
    missing = make_facts(splits=(make_split("test"),), missing={"train": "none", "val": "none"})
    (line,) = _advise(missing)
    assert line.blocks


def test_unlabelled_test_hands(make_facts: Make, make_split: Callable) -> None:
    unlabelled = make_split("test", labelled_2d=0, labelled_3d=0)
    splits = (make_split("train"), make_split("val"), unlabelled)
    (line,) = _advise(make_facts(name="freihand", splits=splits))
    assert not line.blocks
    assert "evaluation_xyz.json" in line.text
    assert "no test errors" in line.text


def test_no_joints_without_the_regressor(make_facts: Make, make_split: Callable) -> None:
    bare = dict(labelled_2d=0, labelled_3d=0, cameras=0)
    splits = tuple(make_split(name, **bare) for name in ("train", "val", "test"))
    advice = _advise(make_facts(splits=splits, settings={"joint_regressor": None}))
    assert "778" in _one(advice, "joint_regressor").text
    assert len(advice) == 2
    line = _one(advice, "no training hand has joints")
    assert line.blocks
    assert line.command.endswith("head=none")
    bare = make_facts(splits=splits, settings={"joint_regressor": None})
    advice = _advise(bare, request=REQUEST._replace(has_head=False))
    assert not any(line.blocks for line in advice)


def test_2d_labels_alone_are_said(make_facts: Make, make_split: Callable) -> None:
    flat = dict(labelled_3d=0, cameras=0)
    splits = tuple(make_split(name, **flat) for name in ("train", "val", "test"))
    (line,) = _advise(make_facts(splits=splits))
    assert not line.blocks
    assert "errors in mm are null" in line.text


def test_what_is_unusual_about_the_labels_is_said(make_facts: Make) -> None:
    (line,) = _advise(make_facts(warnings=("the bones are small",)))
    assert (line.blocks, line.text) == (False, "some: the bones are small.")


def test_odd_boxes_and_projections_are_pointed_out(make_facts: Make, make_split: Callable) -> None:
    odd: SplitFacts = make_split("train", measures=Measures(10, 3.2, 4.9, 0.4, 92.0))
    advice = _advise(make_facts(splits=(odd, make_split("val"), make_split("test"))))
    assert not any(line.blocks for line in advice)
    assert "3.2 px" in _one(advice, "K projects").text
    assert "40%" in _one(advice, "boxes").text


def test_boxes_of_the_joints_are_said(make_facts: Make) -> None:
    assert "labels to crop" in _one(_advise(make_facts(crops_by_labels=True)), "boxes").text


def test_a_mix_needs_training_hands_of_each_and_the_rest_of_any(
    make_facts: Make, make_split: Callable
) -> None:
    whole = make_facts(key="dataset.parts.a", name="a")
    no_test = make_facts(
        key="dataset.parts.b",
        name="b",
        splits=(make_split("train"), make_split("val")),
        missing={"test": "none"},
    )
    (line,) = _advise(whole, no_test)
    assert not line.blocks
    assert line.text.startswith("b: no hands of test")
    no_train = no_test._replace(splits=(make_split("val"),), missing={"train": "none"})
    assert _one(_advise(whole, no_train), "dataset.sources").blocks


def test_each_source_of_a_mix_has_its_own_quarantine(make_facts: Make) -> None:
    request = REQUEST._replace(quarantine=Path("bad.csv"))
    sources = [make_facts(key=f"dataset.parts.{n}", name=n, findings=BAD) for n in "ab"]
    commands = " ".join(line.command for line in _advise(*sources, request=request))
    assert "dataset.parts.a.quarantine=bad.csv" in commands
    assert "dataset.parts.b.quarantine=bad.csv" in commands
