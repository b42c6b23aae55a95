"""The outputs of a study: study.json, table.md, study.html, the figures, and the terminal."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from handpose.evaluation.summarise import describe
from handpose.pipeline.run_directory import write_json
from handpose.study.figures import make_figures
from handpose.study.findings import Findings
from handpose.study.multiruns import command_line
from handpose.study.page import render_page
from handpose.study.tables import StudyTables, Table
from handpose.study.verdict import progress_text, verdict

PAGE = "study.html"
_SHOWN = 20  # unfinished runs in the terminal; the page has all


def write_outputs(folder: Path, findings: Findings, *, plan: Any) -> Path:
    """Writes all files; returns the page.

    Args:
        folder: of the study.
        findings: what the finished runs say.
        plan: content of the study's file, in plain values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = make_figures(findings)
    for name, png in figures.items():
        (folder / f"{name}.png").write_bytes(png)
    (folder / "table.md").write_text(as_markdown(findings), encoding="utf-8")
    (folder / PAGE).write_text(render_page(findings, figures, plan=plan), encoding="utf-8")
    write_json(folder / "study.json", as_json(findings) | {"plan": plan})
    return folder / PAGE


def as_json(findings: Findings) -> dict[str, Any]:
    """Returns everything in plain values; a number that does not exist is null with a reason."""
    study = findings.study.model_dump(mode="json")
    pretrain, finetune = study.pop("pretrain"), study.pop("finetune")
    study |= {"arms": pretrain["arms"], "pretrain_common": pretrain["common"]}
    study |= {"finetune_common": finetune["common"], "tuning": study.pop("tune")}
    place = ("arm", "head", "fraction")
    means = {key: {"estimate": found._asdict()} for key, found in findings.means.items()}
    return {
        "name": study["name"],
        "question": study["question"],
        "date": date.today().isoformat(),
        "verdict": verdict(findings),
        "finished": {stage: list(count) for stage, count in findings.counts.items()},
        "family_of_holm": len(findings.comparisons),
        "study": study,
        "commands": _commands(findings),
        "values": _records(findings.values, *place, "seed"),
        "means": [dict(zip(place, key, strict=True)) | found for key, found in means.items()],
        "comparisons": _records(findings.comparisons, "arm", "against", "head", "fraction"),
        "scores": _records(findings.scores, *place, "candidate"),
        "costs": [{"arm": arm} | cost._asdict() for arm, cost in findings.costs.items()],
        "unfinished": [failure._asdict() for failure in findings.unfinished],
    }


def _records(found: Mapping[tuple, Any], *names: str) -> list[dict[str, Any]]:
    """Each key under these names, with the fields of its value."""
    return [dict(zip(names, key, strict=True)) | _plain(value) for key, value in found.items()]


def _plain(record: Any) -> Any:
    """Named tuples as dicts, nested ones too."""
    if hasattr(record, "_asdict"):
        return {name: _plain(value) for name, value in record._asdict().items()}
    return record


def _commands(findings: Findings) -> list[str]:
    return [command_line(arguments) for arguments in findings.commands]


def as_markdown(findings: Findings) -> str:
    """Returns the tables for a README, two per head."""
    study, title = findings.study, describe(findings.study.metric).title
    parts = [study.question, f"{progress_text(findings)}. {verdict(findings)}"]
    for head in study.heads:
        tables = StudyTables(findings, head)
        parts += [
            f"{title} (`{study.metric}`, head={head}): mean over seeds ± half the 95 % interval.",
            _markdown(tables.means()),
            "First minus second arm, paired by seed: difference, 95 % interval, p after Holm’s "
            f"correction over the {len(findings.comparisons)} comparisons of the study.",
            _markdown(tables.differences()),
        ]
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    lines = [table.head, ["---", *["---:"] * (len(table.head) - 1)]]
    for name, entries in table.rows:
        texts = [f"**{entry.text}**" if entry.is_main else entry.text for entry in entries]
        lines.append([f"`{name}`", *texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def print_findings(findings: Findings, *, page: Path, console: Console | None = None) -> None:
    """Prints the tables, the verdict, the unfinished runs, and the path of the page.

    Args:
        findings: what the finished runs say.
        page: study.html.
        console: the terminal by default.
    """
    console = console or Console()
    console.print(Markdown(as_markdown(findings)))
    for folder, reason in findings.unfinished[:_SHOWN]:
        console.print(f"{folder}: {reason}", style="red", markup=False)
    if len(findings.unfinished) > _SHOWN:
        console.print(f"… and {len(findings.unfinished) - _SHOWN} more that are not finished")
    console.print(f"Page: {page}", soft_wrap=True, markup=False)
