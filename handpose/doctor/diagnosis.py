"""The result of the doctor, and whether training can run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from handpose.data.index.problems import Problem, write_quarantine
from handpose.doctor.advice import Advice, DatasetFacts, Request, advise
from handpose.doctor.findings import Drawn, SourceFacts, examine
from handpose.doctor.sources import Source


class Diagnosis(NamedTuple):
    """The facts, the advice, and the drawn samples of each source by its key."""

    datasets: tuple[DatasetFacts, ...]
    advice: tuple[Advice, ...]
    drawn: Mapping[str, Sequence[Drawn]]

    @property
    def is_ready(self) -> bool:
        """Whether a training can run."""
        return not any(line.blocks for line in self.advice)

    @property
    def sources(self) -> list[SourceFacts]:
        """The sources of all datasets."""
        return [source for dataset in self.datasets for source in dataset.sources]

    @property
    def verdict(self) -> str:
        """Whether a training can run, as a sentence."""
        count = sum(line.blocks for line in self.advice)
        problems = "1 problem" if count == 1 else f"{count} problems"
        return "A training can run." if self.is_ready else f"{problems} to fix first."


def diagnose(datasets: Mapping[str, Sequence[Source]], request: Request) -> Diagnosis:
    """Examines the sources of all datasets.

    Args:
        datasets: key of each dataset -> its sources.
        request: command line and needs of the run.
    """
    drawn: dict[str, list[Drawn]] = {}
    facts = []
    for key, sources in datasets.items():
        found = []
        for source in sources:
            one, drawn[source.key] = examine(source, reference_bone=request.reference_bone)
            found.append(one)
        facts.append(DatasetFacts(key, tuple(found)))
    return Diagnosis(tuple(facts), tuple(advise(facts, request)), drawn)


def list_bad_files(diagnosis: Diagnosis, path: Path) -> int:
    """Writes a quarantine of everything bad that can be left out.

    Args:
        diagnosis: facts and advice.
        path: the CSV file.

    Returns:
        The number of entries.
    """
    problems = [
        Problem(finding.file, finding.reason)
        for source in diagnosis.sources
        if not source.is_fatal
        for finding in source.findings
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_quarantine(path, problems)
    return len(problems)


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Returns the content of doctor.json: the facts by the key of each dataset and source."""
    return {
        "ready": diagnosis.is_ready,
        "advice": [line._asdict() for line in diagnosis.advice],
        "datasets": {
            dataset.key: {source.key: _plain(source) for source in dataset.sources}
            for dataset in diagnosis.datasets
        },
    }


def _plain(value: Any) -> Any:
    """Returns named tuples as dicts, at every level."""
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
