"""The outputs of a study: study.json, table.md, study.html, the figures, and the terminal."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markdown import Markdown

from handpose.evaluation.summarise import describe
from handpose.files import replacing
from handpose.pipeline.run_directory import write_json
from handpose.report.html import render
from handpose.study.comparisons import Findings
from handpose.study.figures import make_figures
from handpose.study.multiruns import command_line
from handpose.study.result_tables import (
    StudyTables,
    Table,
    costs,
    percent,
    percent_change,
    place_text,
)

PAGE = "study.html"
_STAGES = {"pretrain": "pre-trainings", "tune": "tuning runs", "runs": "final runs"}
_SHOWN = 20  # unfinished runs in the terminal; the page has all


def write_outputs(folder: Path, findings: Findings, *, plan: Any) -> Path:
    """Writes all files; returns the page.

    Args:
        folder: folder of the study.
        findings: results of the finished runs.
        plan: content of the study's file, in plain values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = make_figures(findings)
    for name, png in figures.items():
        (folder / f"{name}.png").write_bytes(png)
    (folder / "table.md").write_text(as_markdown(findings), encoding="utf-8")
    with replacing(folder / PAGE) as partial:
        partial.write_text(_page(findings, figures, plan), encoding="utf-8")
    write_json(folder / "study.json", as_json(findings) | {"plan": plan})
    return folder / PAGE


def as_json(findings: Findings) -> dict[str, Any]:
    """Returns everything in plain values; a number that does not exist is null with a reason."""
    study = findings.study.model_dump(mode="json")
    pretrain, finetune = study.pop("pretrain"), study.pop("finetune")
    study |= {"arms": pretrain["arms"], "pretrain_common": pretrain["common"]}
    study |= {"finetune_common": finetune["common"], "finetune_arms": finetune["arms"]}
    study |= {"tuning": study.pop("tune")}
    means = {key: {"estimate": found._asdict()} for key, found in findings.means.items()}
    return {
        "name": study["name"],
        "question": study["question"],
        "date": date.today().isoformat(),
        "verdict": verdict(findings),
        "finished": {stage: list(count) for stage, count in findings.counts.items()},
        "families_of_holm": {
            "primary": len(findings.family(is_primary=True)),
            "other": len(findings.family(is_primary=False)),
        },
        "study": study,
        "commands": _commands(findings),
        "values": _records(findings.values, "arm", "seed"),
        "means": _records(means, "arm"),
        "comparisons": _records(findings.comparisons, "arm", "against"),
        "scores": _records(findings.scores, "arm", "candidate"),
        "costs": [{"arm": arm} | cost._asdict() for arm, cost in findings.costs.items()],
        "unfinished": [failure._asdict() for failure in findings.unfinished],
    }


def _records(found: Mapping[tuple, Any], *names: str) -> list[dict[str, Any]]:
    """Returns a dict per key: its place, its other parts by name, and the fields of its value.

    Args:
        found: (place, ...) -> value.
        names: of the parts after the place.
    """
    return [
        {**dict(zip(names, rest, strict=True)), **place._asdict(), **_plain(value)}
        for (place, *rest), value in found.items()
    ]


def _plain(record: Any) -> Any:
    """Converts named tuples to dicts, at every level."""
    if hasattr(record, "_asdict"):
        return {name: _plain(value) for name, value in record._asdict().items()}
    return record


def _commands(findings: Findings) -> list[str]:
    return [command_line(arguments) for arguments in findings.commands]


def _page(findings: Findings, figures: dict[str, bytes], plan: Any) -> str:
    study = findings.study
    return render(
        "study/study.html.jinja",
        study=study,
        findings=findings,
        metric=describe(study.metric),
        progress=progress_text(findings),
        day=date.today().isoformat(),
        verdict=verdict(findings),
        figures=figures,
        tables=_tables(findings),
        costs=costs(findings),
        reasons=[
            f"{arm}, {place_text(place)}, seed {seed}: {found.reason}"
            for (place, arm, seed), found in findings.values.items()
            if found.value is None
        ],
        plan=yaml.safe_dump(plan, sort_keys=False, default_flow_style=None, allow_unicode=True),
        commands=_commands(findings),
    )


def _tables(findings: Findings) -> dict[str, StudyTables]:
    """Returns "condition, head" -> their tables."""
    study = findings.study
    groups = [(use, head) for use in study.uses for head in study.heads_of(use)]
    return {", ".join(filter(None, group)): StudyTables(findings, *group) for group in groups}


def as_markdown(findings: Findings) -> str:
    """Returns the tables for a README, two per head."""
    study, title = findings.study, describe(findings.study.metric).title
    parts = [study.question, f"{progress_text(findings)}. {verdict(findings)}"]
    for where, tables in _tables(findings).items():
        parts += [
            f"{title} (`{study.metric}`, {where}): mean over seeds ± half the 95 % interval.",
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
        findings: results of the finished runs.
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


def verdict(findings: Findings) -> str:
    """Says in sentences which comparisons differ."""
    every = findings.comparisons
    waiting = sum(found.p_holm is None for found in every.values())
    if waiting == len(every):
        return "No comparison can be tested yet: each needs two seeds of both arms."
    different = {key: found for key, found in every.items() if found.is_significant}
    rest = f" {waiting} cannot be tested yet." if waiting else ""
    if not different:
        return f"None of {len(every)} comparisons differs at 5 % after Holm’s correction.{rest}"
    claims: dict[str, list[str]] = {}
    for (place, arm, against), found in different.items():
        (_, mean, *_), change, _ = found.difference
        assert mean is not None, "it has a p value"
        word = "better" if (mean < 0) == (findings.study.better == "lower") else "worse"
        where = f" with {place.head}" if len(findings.study.heads) > 1 else ""
        where += f" {place.condition}" if place.condition else ""
        claim = claims.setdefault(f"{arm} is {word} than {against}{where}", [])
        claim.append(f"{percent(place.fraction)} ({percent_change(change)})")
    said = "; ".join(f"{claim} on {', '.join(parts)}" for claim, parts in claims.items())
    verb = "differs" if len(different) == 1 else "differ"
    return (
        f"{len(different)} of {len(every)} comparisons {verb} at 5 % after Holm’s correction. By "
        f"fraction of the labels, with the change of {findings.study.metric}: {said}.{rest}"
    )


def progress_text(findings: Findings) -> str:
    """Returns "3 of 8 pre-trainings, 0 of 4 tuning runs, 2 of 20 final runs finished"."""
    counts = findings.counts.items()
    parts = [
        f"{done} of {planned} {_STAGES[stage]}" for stage, (done, planned) in counts if planned
    ]
    return ", ".join(parts) + " finished"
