"""Advice from the facts, one line each, with the command to run."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from handpose.data.base import SPLITS, Split
from handpose.doctor.findings import Finding, SourceFacts, SplitFacts
from handpose.doctor.measures import LARGE_PROJECTION_ERROR, MIN_IN_BOX
from handpose.doctor.sources import EVALUATED
from handpose.invocation import typed

_MAX_CUT = 0.5  # largest share of the training groups for validation
_MAX_SHOWN = 5  # reasons for bad files with a line each
_WITH_SERVER = ("freihand", "ho3d")  # whose evaluation server takes a submission


class Advice(NamedTuple):
    """One line of advice and its command."""

    blocks: bool  # training is impossible or useless until it is done
    text: str
    command: str = ""


class Request(NamedTuple):
    """The doctor's command line, and the needs of the run."""

    overrides: Sequence[str]  # as for train.py
    out: Path  # folder of the page
    quarantine: Path | None = None  # file to list the bad files in
    debug: bool = False  # trainer=debug: another split replaces a missing one
    reference_bone: str = "index"
    has_head: bool = True  # the run is fine-tuned and evaluated
    evaluated: Split = "test"  # split of the evaluation
    evaluates_apart: bool = False  # it has a dataset of its own, "evaluate.dataset"

    def with_overrides(self, *more: str) -> "Request":
        """Returns a copy in which `more` replaces the overrides of the same keys."""
        keys = {_key(override) for override in more}
        kept = [override for override in self.overrides if _key(override) not in keys]
        return self._replace(overrides=[*kept, *more])

    def train(self, *more: str) -> str:
        """Returns the training command, with `more` overrides."""
        return shlex.join([*typed("train"), *self.with_overrides(*more).overrides])

    def doctor(self, *options: str) -> str:
        """Returns the doctor's command, with `options`."""
        return shlex.join([*typed("doctor"), *self.overrides, *options])


class DatasetFacts(NamedTuple):
    """One dataset of a run: its only source, or those of a mix."""

    key: str  # of its configuration: "dataset", "pretrain.dataset", "evaluate.dataset"
    sources: tuple[SourceFacts, ...]

    @property
    def name(self) -> str:
        return " + ".join(source.name for source in self.sources)

    def hands(self, split: Split) -> int:
        """Returns the number of hands of all sources."""
        return sum(facts.hands for source in self.sources if (facts := source.split(split)))


def advise(datasets: Sequence[DatasetFacts], request: Request) -> list[Advice]:
    """Returns the advice: first the blocking lines, then the others.

    Args:
        datasets: facts of all datasets of the run.
        request: command line and needs of the run.
    """
    advice: list[Advice] = []
    for dataset in datasets:
        for source in dataset.sources:
            advice += _on_source(source, request)
        if not any(source.is_fatal for source in dataset.sources):
            advice += [*_on_splits(dataset, request), *_on_labels(dataset, request)]
    return sorted(advice, key=lambda line: not line.blocks)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _on_source(source: SourceFacts, request: Request) -> Iterator[Advice]:
    if source.is_fatal:
        yield from _on_fatal(source)
        return
    yield from _on_bad_files(source, request)
    yield from _on_joints(source)
    if source.crops_by_labels:
        text = "the boxes come from the joint labels, so even pre-training uses labels to crop"
        yield Advice(False, f"{source.name}: {text}; say so when you report its results.")
    for facts in source.splits:
        yield from _on_measures(source, facts)
    for warning in source.warnings:
        yield Advice(False, f"{source.name}: {warning}.")


def _on_fatal(source: SourceFacts) -> Iterator[Advice]:
    """Yields advice on files without which the source cannot be read."""
    by_reason: dict[str, list[Finding]] = {}
    for finding in source.findings:
        by_reason.setdefault(finding.reason, []).append(finding)
    shown = list(by_reason.values())[:_MAX_SHOWN]
    for alike in shown:
        others = f" The same holds for {len(alike) - 1} more in the table." if alike[1:] else ""
        yield Advice(True, _remedy(source, alike[0]) + others)
    if (more := len(source.findings) - sum(map(len, shown))) > 0:
        yield Advice(True, f"{source.name}: fix {more} more from the table.")


def _remedy(source: SourceFacts, finding: Finding) -> str:
    if finding.file in (source.key, "."):  # a setting, or the whole folder
        return finding.reason
    file = f"{source.settings.get('root', source.name)}/{finding.file}"
    if finding.reason.startswith("missing"):
        return f"Add {file}: {finding.reason}."
    if "cut short" in finding.reason:
        return f"Unpack or download {file} again: {finding.reason}."
    return f"Fix {file}: {finding.reason}."


def _on_bad_files(source: SourceFacts, request: Request) -> Iterator[Advice]:
    if known := len(source.findings) - len(source.refused):
        how = "; training skips them"
        if source.settings.get("quarantine") is not None:
            how = f" by {source.key}.quarantine"
        yield Advice(False, f"{source.name}: {_bad(known)} left out{how}.")
    if source.refused and request.quarantine is not None:
        text = f"{_bad(len(source.refused))} listed in {request.quarantine}. Train without them:"
        command = request.train(f"{source.key}.quarantine={request.quarantine}")
        yield Advice(False, f"{source.name}: {text}", command)
    elif source.refused:
        bad = _bad(len(source.refused))
        text = f"{bad}. Fix them, or list them in a file and train without them:"
        command = request.doctor("--quarantine", str(request.out / "quarantine.csv"))
        yield Advice(True, f"{source.name}: {text}", command)
    if source.gone_bad:
        text = f"{_bad(len(source.gone_bad))} since the index was built. Remove"
        again = f"{source.index_folder} to rebuild it:"
        yield Advice(True, f"{source.name}: {text} {again}", request.doctor())


def _bad(count: int) -> str:
    return f"{count:,} bad {'file or record' if count == 1 else 'files or records'}"


def _on_joints(source: SourceFacts) -> Iterator[Advice]:
    """Yield advice on missing joint labels and on what the source can still be used for."""
    test = source.split("test")
    if source.settings.get("joint_regressor", "") is None:
        text = f"no joints without {source.key}.joint_regressor, so it only serves pre-training"
        yield Advice(False, f"{source.name}: {text}; set it to MANO's, 16 x 778, as .npy.")
    elif test and test.labelled_2d == 0:
        yield _on_unlabelled_test(source)
    labelled = any(facts.labelled_2d for facts in source.splits)
    if labelled and not any(facts.cameras for facts in source.splits):
        text = "no hand has a camera and a 3D pose in metres: errors in mm are null, 2D errors work"
        yield Advice(False, f"{source.name}: {text}.")


def _on_unlabelled_test(source: SourceFacts) -> Advice:
    if source.name not in _WITH_SERVER:
        return Advice(False, f"{source.name}: the test hands have no joints, so no test errors.")
    text = "no evaluation_xyz.json, so no test errors. Make a submission of a finished run instead:"
    command = shlex.join([*typed("evaluate"), "RUN", "--submission", "pred.zip"])
    return Advice(False, f"{source.name}: {text}", command)


def _on_measures(source: SourceFacts, facts: SplitFacts) -> Iterator[Advice]:
    where = f"{source.name}, {facts.split}"
    error, in_box = facts.measures.projection_median, facts.measures.in_box
    if error is not None and error > LARGE_PROJECTION_ERROR:
        text = f"K projects xyz {error:.1f} px away from uv; check the camera frame and the samples"
        yield Advice(False, f"{where}: {text}.")
    if in_box is not None and in_box < MIN_IN_BOX:
        text = f"only {in_box:.0%} of the joints are in their boxes; check the samples"
        yield Advice(False, f"{where}: {text}, or crop by joints: crop_by=joints.")


def _on_splits(dataset: DatasetFacts, request: Request) -> Iterator[Advice]:
    missing = [split for split in SPLITS if dataset.hands(split) == 0]
    if dataset.key == EVALUATED:
        if request.evaluated in missing and request.has_head and not request.debug:
            text = f"no {request.evaluated} hands to evaluate on"
            yield Advice(True, f"{dataset.name}: {text}; choose another evaluate.dataset or split.")
        return
    yield from _on_parts(dataset, missing)
    if "train" in missing:
        yield Advice(True, f"{dataset.name}: no training hands.")
        return
    if "val" in missing:
        line, request = _on_val(dataset, request)
        yield line
    is_scored = request.has_head and dataset.key != "pretrain.dataset"
    is_scored &= request.evaluated == "test" and not request.evaluates_apart
    if "test" in missing and is_scored and not request.debug:
        text = "no test hands to evaluate on. Evaluate on the validation split:"
        yield Advice(True, f"{dataset.name}: {text}", request.train("evaluate.split=val"))


def _on_parts(dataset: DatasetFacts, missing: Sequence[Split]) -> Iterator[Advice]:
    """Yields advice on splits that only some sources of a mix have."""
    for source in dataset.sources if len(dataset.sources) > 1 else ():
        if "train" in source.missing:
            text = "no training hands, and a mix needs some of each source. Remove it from"
            yield Advice(True, f"{source.name}: {text} {dataset.key}.sources.")
        others = [split for split in source.missing if split not in ("train", *missing)]
        if others:
            text = f"no hands of {' and '.join(others)}; the mix has those of the other sources"
            yield Advice(False, f"{source.name}: {text}.")


def _on_val(dataset: DatasetFacts, request: Request) -> tuple[Advice, Request]:
    """Returns what to do without validation hands, and the request once it is done."""
    none = f"{dataset.name}: no validation hands"
    if request.debug:
        return Advice(False, f"{none}; trainer=debug takes training hands instead."), request
    cuts = [
        f"{source.key}.val_fraction={_MAX_CUT}"
        for source in dataset.sources
        if 0 < (source.settings.get("val_fraction") or 0) < _MAX_CUT
    ]
    if cuts:
        text = "too few groups of training hands for so small a share. Take a larger one:"
        fixed = request.with_overrides(*cuts)
    else:
        text = "add the split's annotations and images, or only try things out:"
        fixed = request.with_overrides("trainer=debug")._replace(debug=True)
    return Advice(True, f"{none}; {text}", fixed.train()), fixed


def _on_labels(dataset: DatasetFacts, request: Request) -> Iterator[Advice]:
    """Yields advice on a dataset without joints, which only serves pre-training."""
    training = [facts for source in dataset.sources if (facts := source.split("train"))]
    is_used = dataset.key not in ("pretrain.dataset", EVALUATED) and dataset.hands("train")
    if is_used and not any(facts.labelled_2d for facts in training):
        text = "no training hand has joints; use it for pre-training only, without a head:"
        command = request.train("head=none")
        yield Advice(request.has_head, f"{dataset.name}: {text}", command)
