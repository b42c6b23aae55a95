"""The outputs of a study: study.json, table.md, study.html, the figures, and the terminal."""

from collections.abc import Mapping
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
from handpose.study.overview_table import overview_table, pairs_table, tables_by_group
from handpose.study.result_tables import Entry, Table, costs, environments, place_text
from handpose.study.verdict import families_text, progress_text, verdict

PAGE = "study.html"
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
    comparisons = {
        key: _plain(found) | {"percent": found.difference.percent}
        for key, found in findings.comparisons.items()
    }
    return {
        "name": study["name"],
        "question": study["question"],
        "date": findings.day,
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
        "comparisons": _records(comparisons, "arm", "against"),
        "scores": _records(findings.scores, "arm", "candidate"),
        "environments": [{**one, "runs": count} for one, count in findings.environments],
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
        day=findings.day,
        verdict=verdict(findings),
        figures=figures,
        overview=overview_table(findings),
        pairs=pairs_table(findings) if study.compare else None,
        families=families_text(findings),
        tables=tables_by_group(findings),
        costs=costs(findings),
        environments=environments(findings),
        reasons=[
            f"{arm}, {place_text(place)}, seed {seed}: {found.reason}"
            for (place, arm, seed), found in findings.values.items()
            if found.value is None
        ],
        plan=yaml.safe_dump(plan, sort_keys=False, default_flow_style=None, allow_unicode=True),
        commands=_commands(findings),
    )


def as_markdown(findings: Findings) -> str:
    """Returns the results for a README: the table of all arms, and that of the further pairs."""
    study, title = findings.study, describe(findings.study.metric).title
    groups = tables_by_group(findings)
    head = f", head={study.heads[0]}" if len(groups) == 1 else ""
    parts = [
        study.question,
        f"{progress_text(findings)}. {verdict(findings)}",
        f"{title} (`{study.metric}`{head}): mean over seeds ± half the 95 % interval; in brackets "
        f"the change against `{study.baseline}`, paired by seed, and p. {families_text(findings)}",
        _markdown(overview_table(findings)),
    ]
    if study.compare:
        parts += [
            "First minus second arm, paired by seed: difference, 95 % interval, corrected p.",
            _markdown(pairs_table(findings)),
        ]
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    """Writes a table; the name of a row is code, without that of its group."""
    names = table.names
    lines = [table.head, [*["---"] * names, *["---:"] * (len(table.head) - names)]]
    for name, entries in table.rows:
        texts = [name, *map(_entry_text, entries)]
        texts[names - 1] = f"`{texts[names - 1]}`"
        lines.append(texts)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _entry_text(entry: Entry) -> str:
    text = f"**{entry.text}**" if entry.is_main else entry.text
    return f"{text} ({entry.note})" if entry.note else text


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
