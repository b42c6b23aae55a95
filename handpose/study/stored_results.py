"""The raw results of a study in one JSON file, from which its page is made without the runs.

{"format": 1, "name", "day",
 "plan": content of the study's file,
 "overrides": those of the command line, without `paths`,
 "settings": [[KEY=VALUE, ...], ...],
 "environments": [{commit, dirty, versions, device}, ...],
 "runs": [{stage, arm, seed, head, fraction, candidate, condition,
           "settings": place in the list above, "environments": [places in the list above],
           "results": {name: number}}, ...],
 "unfinished": [[folder, reason], ...]}
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handpose.config.stored import is_free
from handpose.evaluation.summarise import NUM_SAMPLES, row_names
from handpose.evaluation.training_metrics import PRETEXT, UNTRAINED
from handpose.files import read_json_object, replacing
from handpose.study.multiruns import Failure
from handpose.study.run_grid import STAGES, Batch, Cell
from handpose.study.status import Status
from handpose.study.study_file import Study

FORMAT = 1
RESULTS_FILE = "study_results.json"
_STAGE_NUMBERS = tuple(
    f"{stage}_{name}"
    for stage in ("pretrain", "finetune")
    for name in ("seconds", "images", "stopped", "skipped_steps")
)
_OF_A_RUN = ("failed", "stopped")  # reasons that do not follow from the other runs
_VARIED = ("seed=", "head=", "finetune.label_fraction=", "backbone.weights=")


class _Numbered:
    """Values, each once, and their places."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        return self._places.setdefault(json.dumps(value), len(self._places))

    @property
    def values(self) -> list[Any]:
        return [json.loads(text) for text in self._places]


def store(
    path: Path, status: Status, unfinished: Sequence[Failure], *, plan: Any, day: str
) -> None:
    """Writes the raw results of the finished runs, one run per line.

    Args:
        path: the file.
        status: the study.
        unfinished: the other cells, with reasons.
        plan: content of the study's file, in plain values.
        day: when the runs were read, as ISO 8601.
    """
    settings, environments = _Numbered(), _Numbered()
    cells = [cell for stage in STAGES for cell in status.cells(stage) if status.is_finished(cell)]
    runs = [
        cell._asdict()
        | {
            "settings": settings.place(_settings(status, cell)),
            "environments": [environments.place(one) for one in status.sessions(cell)],
            "results": _kept(status.results(cell), status.study),
        }
        for cell in cells
    ]
    content = {
        "format": FORMAT,
        "name": status.study.name,
        "day": day,
        "plan": plan,
        "overrides": [*status.grid.public.extra],
        "settings": settings.values,
        "environments": environments.values,
        "runs": runs,
        "unfinished": [list(failure) for failure in unfinished],
    }
    with replacing(path) as partial:
        partial.write_text(_lines(content), encoding="utf-8")


def _lines(content: dict[str, Any]) -> str:
    """Writes each item of the top lists on a line of its own."""
    parts = []
    for key, value in content.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value:
            items = ",\n".join(json.dumps(item, ensure_ascii=False) for item in value)
            text = f"[\n{items}\n]"
        parts.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _settings(status: Status, cell: Cell) -> list[str]:
    """Returns the study's overrides of a cell, less what the cell itself says."""
    grid = status.grid._replace(extra=())
    return [line for line in grid.overrides(Batch.of(cell)) if not line.startswith(_VARIED)]


def _kept(results: dict[str, Any], study: Study) -> dict[str, Any]:
    """Returns the study's numbers, with the reason for null, and the main ones of the run."""
    needed = {study.metric, study.constant, study.tune.metric if study.tune else None}
    main = {*row_names(), *_STAGE_NUMBERS, NUM_SAMPLES, "split"}
    main |= {name for name in results if name.startswith(PRETEXT) and not _is_untrained(name)}
    kept = {
        name: value
        for name, value in results.items()
        if name in needed or (name in main and value is not None)
    }
    reasons = {f"{name}_reason" for name, value in kept.items() if value is None}
    return kept | {name: results[name] for name in sorted(reasons & results.keys())}


def _is_untrained(name: str) -> bool:
    return name.startswith(UNTRAINED) or name.endswith("_reason")


@dataclass
class StoredStatus(Status):
    """The status of a study whose runs are in files that `store` wrote.

    Attributes:
        records: folder of a run -> its record, with "settings" and "environments" in full, and
            the "overrides" of its file.
    """

    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def has_results(self, cell: Cell) -> bool:
        """Tells whether a file has the run."""
        return cell.folder in self.records

    def results(self, cell: Cell) -> dict[str, Any]:
        """Returns the stored numbers of a run."""
        return self.records[cell.folder]["results"]

    def sessions(self, cell: Cell) -> list[dict[str, Any]]:
        """Returns commit, versions and device of each start of a run."""
        return self.records[cell.folder]["environments"]

    def num_finished(self) -> int:
        """Returns the number of runs that count."""
        return sum(self.is_finished(cell) for stage in STAGES for cell in self.cells(stage))

    def find_changed(self) -> None:
        """Finds runs that were made with other settings than the study has now.

        Those are the settings of its file and of the command line. What started from such a
        pre-training does not count either.
        """
        self.changed = {}
        extra = _counted(self.grid.extra)
        for stage in STAGES:  # in order: changed candidates do not count for the choice
            for cell in self.cells(stage):
                if self.is_open(cell) or not self.has_results(cell):
                    continue
                record, backbone = self.records[cell.folder], self._backbone(cell)
                before = {*record["settings"], *_counted(record["overrides"])}
                if different := sorted(before ^ {*_settings(self, cell), *extra}):
                    self.changed[cell] = [f"other settings: {' '.join(different)}"]
                elif backbone is not None and not self.is_finished(backbone):
                    doubt = f"its {backbone.folder} is missing or has other settings"
                    self.changed[cell] = [doubt]


def _counted(overrides: Sequence[str]) -> list[str]:
    """Returns the overrides of a command line that may change results."""
    keys = {line: line.partition("=")[0].lstrip("+~") for line in overrides}
    return [
        line
        for line, key in keys.items()
        if not is_free(key) and not key.startswith(("hydra/", "hydra.", "paths.", "logger"))
    ]


@dataclass
class Stored:
    """The content of one or more files that `store` wrote.

    Attributes:
        records: folder of a run -> its record.
        reasons: folder -> how a run failed or was stopped.
        overrides: of the command line that made the newest file.
        day: when the newest file was made.
    """

    records: dict[str, dict[str, Any]]
    reasons: dict[str, str]
    overrides: list[str]
    day: str


def load(paths: Sequence[Path], *, name: str) -> Stored:
    """Reads stored results, and merges those of several machines.

    A machine that continues a study makes its pre-trainings again. The numbers of the first file's
    are kept: two processors round differently, so their pre-trainings with one seed differ a bit.
    Such a pre-training has the environments of both.

    Args:
        paths: the files.
        name: of the study.

    Raises:
        ValueError: a file is corrupt or of another study, or two files have different results of
            one tuning or final run, or different settings of one pre-training.
    """
    merged = Stored({}, {}, [], "")
    for path in paths:
        content = _read(path, name)
        for folder, record in _records(content, path).items():
            first = merged.records.setdefault(folder, record)
            what = "settings" if folder.startswith("pretrain/") else "results"
            if first[what] != record[what]:
                raise ValueError(f"{path}: has other {what} of {folder} than a file before it")
            own = record["environments"]
            first["environments"] += [one for one in own if one not in first["environments"]]
        failed = (line for line in content["unfinished"] if line[1].startswith(_OF_A_RUN))
        merged.reasons |= dict(failed)
        if content["day"] >= merged.day:
            merged.day, merged.overrides = content["day"], content["overrides"]
    return merged


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        content = read_json_object(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    keys = ("day", "overrides", "settings", "environments", "runs", "unfinished")
    if content.get("format") != FORMAT or any(key not in content for key in keys):
        raise ValueError(f"{path}: not the results of a study, which `--report` writes")
    if content["name"] != name:
        raise ValueError(f"{path}: the results of {content['name']}, not of {name}")
    return content


def _records(content: dict[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Returns folder -> record, with the settings and environments in place of their numbers."""
    settings, environments = content["settings"], content["environments"]
    found = {}
    try:
        for run in content["runs"]:
            cell = Cell(**{key: run[key] for key in Cell._fields})
            found[cell.folder] = {
                "results": run["results"],
                "settings": settings[run["settings"]],
                "overrides": content["overrides"],
                "environments": [environments[place] for place in run["environments"]],
            }
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path}: a run is corrupt ({error!r})") from None
    return found
