"""Facts -> what to do about them, one line each."""

from collections.abc import Sequence
from typing import NamedTuple

from handpose.data.base import SPLITS, Split
from handpose.doctor.findings import SourceFacts
from handpose.doctor.request import Request
from handpose.doctor.source_advice import Advice, advise_on_source

_LARGEST_CUT = 0.5  # of the training groups, for validation


class DatasetFacts(NamedTuple):
    """One dataset of a run: its only source, or those of a mix."""

    key: str  # "dataset", or of one stage: "pretrain.dataset"
    sources: tuple[SourceFacts, ...]

    @property
    def name(self) -> str:
        """Of its sources."""
        return " + ".join(source.name for source in self.sources)

    def hands(self, split: Split) -> int:
        """Of all sources."""
        return sum(facts.hands for source in self.sources if (facts := source.split(split)))

    @property
    def is_labelled(self) -> bool:
        """Whether any training hand has joints."""
        training = (source.split("train") for source in self.sources)
        return any(facts.labelled_2d > 0 for facts in training if facts)


def advise(datasets: Sequence[DatasetFacts], request: Request) -> list[Advice]:
    """What must be fixed first, then what is good to know."""
    advice = []
    for dataset in datasets:
        for source in dataset.sources:
            advice += advise_on_source(source, request)
        if not any(source.is_fatal for source in dataset.sources):
            advice += _on_splits(dataset, request) + _on_labels(dataset, request)
    return sorted(advice, key=lambda line: not line.blocks)


def _on_splits(dataset: DatasetFacts, request: Request) -> list[Advice]:
    missing = [split for split in SPLITS if dataset.hands(split) == 0]
    advice = _on_parts(dataset, missing)
    if "train" in missing:
        return [*advice, Advice(True, f"{dataset.name}: no training hands, nothing to learn from.")]
    if "val" in missing:
        line, request = _on_val(dataset, request)
        advice.append(line)
    if "test" in missing and _is_evaluated(dataset, request):
        text = "no test hands, and a run ends with their errors. Evaluate on the validation split:"
        command = request.train("evaluate.split=val")
        advice.append(Advice(True, f"{dataset.name}: {text}", command))
    return advice


def _is_evaluated(dataset: DatasetFacts, request: Request) -> bool:
    """Whether a run needs its test hands; under debug others stand in for them."""
    is_finetuned = request.has_head and dataset.key != "pretrain.dataset"
    return is_finetuned and request.evaluated == "test" and not request.debug


def _on_parts(dataset: DatasetFacts, missing: list[Split]) -> list[Advice]:
    """Splits that some sources of a mix have, and others have not."""
    advice = []
    for source in dataset.sources if len(dataset.sources) > 1 else ():
        if "train" in source.missing:
            text = "no training hands, and a mix needs those of each source: take it out of"
            advice.append(Advice(True, f"{source.name}: {text} {dataset.key}.sources."))
        others = [split for split in source.missing if split not in ("train", *missing)]
        if others:
            text = f"has no hands of {' and '.join(others)}; the mix goes without them there."
            advice.append(Advice(False, f"{source.name} {text}"))
    return advice


def _on_val(dataset: DatasetFacts, request: Request) -> tuple[Advice, Request]:
    """What to do without validation hands, and the request once that is done."""
    none = f"{dataset.name}: no validation hands"
    if request.debug:
        return Advice(False, f"{none}; trainer=debug takes training hands instead."), request
    own_cut = [
        f"{source.key}.val_fraction={_LARGEST_CUT}"
        for source in dataset.sources
        if 0 < (source.settings.get("val_fraction") or 0) < _LARGEST_CUT
    ]
    if own_cut:
        text = "the training hands are of too few groups for so small a cut. Take a larger one:"
        fixed = request.with_overrides(*own_cut)
        return Advice(True, f"{none}; {text}", fixed.train()), fixed
    text = "add the split's annotations and pictures; to try things out alone, train with"
    fixed = request.with_overrides("trainer=debug")._replace(debug=True)
    return Advice(True, f"{none}; {text}", fixed.train()), fixed


def _on_labels(dataset: DatasetFacts, request: Request) -> list[Advice]:
    """A dataset without any joint serves pre-training alone."""
    if dataset.is_labelled or dataset.key == "pretrain.dataset" or not dataset.hands("train"):
        return []
    text = "no training hand has joints: this serves pre-training alone, without a head:"
    return [Advice(request.has_head, f"{dataset.name}: {text}", request.train("head=none"))]
