"""Facts about one source -> what to do about them, one line each."""

from typing import NamedTuple

from handpose.doctor.findings import Finding, SourceFacts, SplitFacts
from handpose.doctor.measures import LARGE_PROJECTION_ERROR, LEAST_IN_BOX
from handpose.doctor.request import Request

_SHOWN = 5  # remedies


class Advice(NamedTuple):
    """One line, and the command that goes with it."""

    blocks: bool  # no training can run, or would learn nothing, until it is done
    text: str
    command: str = ""


def advise_on_source(source: SourceFacts, request: Request) -> list[Advice]:
    """What to do about one source."""
    if source.is_fatal:
        return _on_fatal(source)
    checks = [_on_bad_files(source, request), _on_joints(source), _on_boxes(source)]
    checks += [_on_measures(source, facts) for facts in source.splits]
    checks.append([Advice(False, f"{source.name}: {text}.") for text in source.warnings])
    return [advice for check in checks for advice in check]


def _on_fatal(source: SourceFacts) -> list[Advice]:
    advice = [Advice(True, _remedy(source, finding)) for finding in source.findings[:_SHOWN]]
    more = len(source.findings) - _SHOWN
    if more > 0:
        advice.append(Advice(True, f"{source.name}: and fix {more} more of the table."))
    return advice


def _remedy(source: SourceFacts, finding: Finding) -> str:
    """What to do about a file without which the source cannot be read."""
    if finding.file == source.key:  # a setting
        return finding.reason
    file = f"{source.settings.get('root', source.name)}/{finding.file}"
    if finding.reason.startswith("missing"):
        return f"Put {file} in its place: it is {finding.reason}."
    if "cut short" in finding.reason:
        return f"Unpack or download {file} again: {finding.reason}."
    return f"Fix {file}: {finding.reason}."


def _on_bad_files(source: SourceFacts, request: Request) -> list[Advice]:
    known = len(source.findings) - len(source.refused)
    advice = []
    if known:
        text = "left out; training runs without them"
        if source.settings.get("quarantine") is not None:
            text = f"left out by {source.key}.quarantine"
        advice.append(Advice(False, f"{source.name}: {_bad(known)} {text}."))
    if source.refused:
        advice.append(_on_refused(source, request))
    if source.gone_bad:
        text = f"{_bad(len(source.gone_bad))} went bad after the index was built. Remove"
        again = f"{source.index_folder}, so that all are looked at again:"
        advice.append(Advice(True, f"{source.name}: {text} {again}", request.doctor()))
    return advice


def _on_refused(source: SourceFacts, request: Request) -> Advice:
    bad = f"{source.name}: {_bad(len(source.refused))}"
    if request.quarantine is not None:
        option = f"{source.key}.quarantine={request.quarantine}"
        text = f"{bad} listed in {request.quarantine}. Training goes without them by"
        return Advice(False, text, request.train(option))
    text = f"{bad}. Fix them, or list them in a file and train without them:"
    file = str(request.out / "quarantine.csv")
    return Advice(True, text, request.doctor("--quarantine", file))


def _bad(count: int) -> str:
    return f"{count:,} bad {'file or record' if count == 1 else 'files or records'}"


def _on_joints(source: SourceFacts) -> list[Advice]:
    """What a source without some of the labels is good for."""
    advice = []
    test = source.split("test")
    if source.settings.get("joint_regressor", "") is None:
        text = f"without {source.key}.joint_regressor it has no joints and serves pre-training"
        advice.append(
            Advice(False, f"{source.name}: {text} alone; give MANO's, 16 x 778, as .npy.")
        )
    elif test and test.labelled_2d + test.labelled_3d == 0:
        advice.append(_on_unlabelled_test(source))
    labelled = sum(facts.labelled_2d for facts in source.splits)
    cameras = sum(facts.cameras for facts in source.splits)
    if labelled and not cameras:
        text = "no hand has a camera and a 3D pose in metres: errors in mm are null, 2D errors work"
        advice.append(Advice(False, f"{source.name}: {text}."))
    return advice


def _on_unlabelled_test(source: SourceFacts) -> Advice:
    if source.name != "freihand":
        return Advice(False, f"{source.name}: the test hands have no joints, so no test errors.")
    text = "evaluation_xyz.json is not there: no test errors, but a submission to its server"
    command = "python scripts/evaluate.py RUN --submission pred.zip"
    return Advice(False, f"{source.name}: {text}, once a run is finished:", command)


def _on_boxes(source: SourceFacts) -> list[Advice]:
    if not source.crops_by_labels:
        return []
    text = "the boxes come from the joint labels, so even pre-training uses labels to crop"
    return [Advice(False, f"{source.name}: {text}; say so beside its results.")]


def _on_measures(source: SourceFacts, facts: SplitFacts) -> list[Advice]:
    where, measures = f"{source.name}, {facts.split}", facts.measures
    advice = []
    error = measures.projection_median
    if error is not None and error > LARGE_PROJECTION_ERROR:
        text = f"K projects xyz {error:.1f} px away from uv; look at the camera's frame"
        advice.append(Advice(False, f"{where}: {text} and at the crops below."))
    if measures.in_box is not None and measures.in_box < LEAST_IN_BOX:
        text = f"{measures.in_box:.0%} of the joints lie in their boxes; look at the pictures"
        advice.append(Advice(False, f"{where}: {text}, or crop by joints: crop_by=joints."))
    return advice
