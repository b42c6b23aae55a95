"""Which crops the probe gets, and which datasets it refuses."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.data.base import HandDataset
from handpose.data.subsets import first
from handpose.pipeline.stages import pretrain as probe
from handpose.pipeline.stages.pretrain import build_probe
from handpose.records import Sample

COUNT = 12


class Hands:
    """A few hands, every other identity twice; the first ones lack labels."""

    name, image_size, is_labelled = "few", 32, True
    identities = np.arange(COUNT) // 2
    without_pixels = HandDataset.without_pixels

    def __init__(self, samples: list[Sample]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


@pytest.fixture
def samples(make_sample: Callable) -> list[Sample]:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return [make_sample(image, seed=seed) for seed in range(COUNT)]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """built(source, *overrides): the probe of a run whose every split is `source`."""

    def build(source: object, *overrides: str) -> object:
        monkeypatch.setattr(probe.parts, "build_dataset", lambda *_: source)
        register()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return build_probe(compose("config", overrides=list(overrides)))

    return build


def test_by_default_there_is_none(built: Callable) -> None:
    assert built(None) is None


def test_its_crops_are_plain_complete_and_of_the_labelled_part(
    built: Callable, samples: list[Sample]
) -> None:
    samples[0] = samples[0]._replace(xyz_valid=np.arange(21) != 3)
    samples[11] = samples[11]._replace(K=np.eye(3, dtype=np.float32))
    whole = built(Hands(samples), "pretrain.probe.samples=100", "pretrain.probe.every_n_epochs=3")
    assert whole.train.index.tolist() == list(range(1, COUNT - 1))
    assert whole.every_n_epochs == 3
    assert (whole.train.affine[:, 0, 1] == 0).all()  # not turned

    few = built(Hands(samples), "pretrain.probe.samples=4", "finetune.label_fraction=0.5")
    own = np.arange(COUNT)
    drawn = first(np.stack((own // 2, own % 2), axis=1), 4, seed=5)  # by lot, then the complete
    assert few.val.index.tolist() == [place for place in drawn if place not in (0, COUNT - 1)]
    assert len(few.train.index) <= 4
    part = {int(index) // 2 for index in few.train.index}
    again = built(Hands(samples), "pretrain.probe.samples=100", "finetune.label_fraction=0.5")
    assert part <= {int(index) // 2 for index in again.train.index}
    assert len(again.train.index) <= COUNT / 2 < len(again.val.index)


def test_a_dataset_without_labels_in_3d_is_refused_by_name(
    built: Callable, samples: list[Sample]
) -> None:
    unlabelled = SimpleNamespace(name="few", is_labelled=False)
    flat = [sample._replace(xyz_valid=np.zeros(21, dtype=bool)) for sample in samples]
    for source, found in ((unlabelled, "no joints"), (Hands(flat), "0 complete ones among 8")):
        with pytest.raises(ValueError, match=rf"finetune\.dataset=few has {found} in its split"):
            built(source, "pretrain.probe.samples=8")
