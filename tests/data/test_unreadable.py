"""A picture that becomes unreadable: tried again, replaced the same way each time, limited."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import write_freihand

from handpose.augment.settings import Augmentation
from handpose.config.errors import UserError, without_traceback
from handpose.data import indexed
from handpose.data import unreadable as module
from handpose.data.loaders import build_loader
from handpose.data.sources.freihand import FreiHand
from handpose.data.targets_dataset import TargetDataset
from handpose.data.unreadable import UnreadableError, UnreadableList
from handpose.data.views_dataset import ViewDataset

BAD = 3
SEED = 5


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0, 0))


@pytest.fixture
def source(tmp_path: Path) -> FreiHand:
    """A dataset whose index was built while all pictures were there."""
    write_freihand(tmp_path / "root", annotations=4, versions=2, evaluation=0)
    return FreiHand(
        root=str(tmp_path / "root"),
        cache=str(tmp_path / "cache"),
        split="train",
        image_size=32,
        val_fraction=0.25,
        box_side=0.7,
    )


@pytest.fixture
def plain(make_settings: Callable[..., Augmentation]) -> Augmentation:
    return make_settings()


def targets(
    source: FreiHand, plain: Augmentation, unreadable: UnreadableList | None
) -> TargetDataset:
    return TargetDataset(source, plain, reference_bone="index", seed=SEED, unreadable=unreadable)


def path_of(source: FreiHand, index: int) -> Path:
    return source.root / source.image_name(index)


def listed(tmp_path: Path, *, limit: int = 2) -> UnreadableList:
    return UnreadableList(tmp_path / "unreadable.csv", limit=limit)


def test_a_hiccup_changes_nothing(
    source: FreiHand, plain: Augmentation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = targets(source, plain, None)[0, BAD]
    calls, read = itertools.count(), indexed.read_image

    def fails_twice(path: Path) -> np.ndarray:
        if next(calls) < 2:
            raise ValueError(f"{path}: cannot be read (Input/output error)")
        return read(path)

    monkeypatch.setattr(indexed, "read_image", fails_twice)
    notes = listed(tmp_path)
    after = targets(source, plain, notes)[0, BAD]
    assert next(calls) == 3
    assert int(after.index) == BAD
    assert np.array_equal(before.image, after.image)
    assert not notes.names()


def test_another_takes_its_place_as_seed_time_and_index_say(
    source: FreiHand, plain: Augmentation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path_of(source, BAD).write_bytes(b"")
    notes = listed(tmp_path)
    taken = [int(targets(source, plain, notes)[time, BAD].index) for time in range(12)]
    assert taken == [int(targets(source, plain, notes)[time, BAD].index) for time in range(12)]
    assert BAD not in taken
    assert len(set(taken)) > 2  # not one picture for ever
    assert notes.names() == {source.image_name(BAD)}
    assert caplog.text.count("another image replaces it") == 1
    good = targets(source, plain, notes)[0, 0]
    assert int(good.index) == 0


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_replace_alike_and_share_the_list(
    source: FreiHand, plain: Augmentation, tmp_path: Path, num_workers: int
) -> None:
    path_of(source, BAD).unlink()
    notes = listed(tmp_path)
    loader = build_loader(
        targets(source, plain, notes),
        batch_size=2,
        training=False,
        num_workers=num_workers,
        seed=SEED,
    )
    indices = [int(index) for batch in loader for index in batch.index]
    expected = list(range(len(source)))
    expected[BAD] = int(targets(source, plain, notes)[0, BAD].index)
    assert indices == expected
    assert notes.names() == {source.image_name(BAD)}


def test_views_know_whose_they_are(source: FreiHand, plain: Augmentation, tmp_path: Path) -> None:
    path_of(source, BAD).unlink()
    dataset = ViewDataset(source, {"p": plain}, seed=SEED, unreadable=listed(tmp_path))
    pair = dataset[0, BAD]["p"]
    place = int(pair.index[0])
    assert place != BAD
    assert pair.index.tolist() == [place, place]
    assert pair.identity.tolist() == [source.identities[place]] * 2


def test_evaluation_never_takes_another(source: FreiHand, plain: Augmentation) -> None:
    path_of(source, BAD).unlink()
    with pytest.raises(UnreadableError, match=str(path_of(source, BAD))):
        targets(source, plain, None)[0, BAD]
    with pytest.raises(UnreadableError, match="cannot be read"):
        ViewDataset(source, {"p": plain}, seed=SEED)[0, BAD]


def test_a_worker_says_it_in_as_few_words(source: FreiHand, plain: Augmentation) -> None:
    path_of(source, BAD).unlink()
    dataset = targets(source, plain, None)
    loader = build_loader(dataset, batch_size=8, training=False, num_workers=1, seed=SEED)
    with pytest.raises(UserError) as told, without_traceback():
        next(iter(loader))
    assert "Original Traceback" in str(told.value.__cause__)
    assert str(told.value).startswith(f"{path_of(source, BAD)}: cannot be read")
    assert str(told.value).count("\n") <= 1


def test_more_than_the_limit_stops_with_the_path(
    source: FreiHand, plain: Augmentation, tmp_path: Path
) -> None:
    notes = listed(tmp_path, limit=1)
    dataset = targets(source, plain, notes)
    path_of(source, BAD).unlink()
    for time in range(20):  # one picture, however often
        dataset[time, BAD]
    path_of(source, 0).unlink()
    with pytest.raises(ValueError, match=rf"{path_of(source, 0)}.*\n.*More than 1 images"):
        dataset[0, 0]


def test_without_any_good_picture_it_ends(
    source: FreiHand, plain: Augmentation, tmp_path: Path
) -> None:
    for index in range(len(source)):
        path_of(source, index).unlink()
    with pytest.raises(UnreadableError):
        targets(source, plain, listed(tmp_path, limit=1000))[0, 0]


def test_a_directory_that_is_gone_is_named(
    source: FreiHand, plain: Augmentation, tmp_path: Path
) -> None:
    source.root.rename(tmp_path / "elsewhere")
    loader = build_loader(
        targets(source, plain, listed(tmp_path)),
        batch_size=2,
        training=True,
        num_workers=0,
        seed=SEED,
    )
    with pytest.raises(ValueError, match=f"{source.root}: the directory of freihand is gone"):
        next(iter(loader))
    assert not listed(tmp_path).names()


def test_the_list_is_a_quarantine(source: FreiHand, plain: Augmentation, tmp_path: Path) -> None:
    from handpose.data.index.problems import read_quarantine

    path_of(source, BAD).unlink()
    notes = listed(tmp_path)
    targets(source, plain, notes)[0, BAD]
    assert read_quarantine(notes.path) == {source.image_name(BAD)}
