"""What a study leaves in its folder: study.json, table.md, study.html and the figures."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from handpose.pipeline.run_directory import write_json
from handpose.study import tables
from handpose.study.collect import Findings
from handpose.study.launch import shown
from handpose.study.page import render_page
from handpose.study.plots import make_figures
from handpose.study.tables import Table
from handpose.study.wording import metric_words, progress_text, verdict

PAGE = "study.html"


def write_outputs(folder: Path, findings: Findings, *, plan: Any) -> Path:
    """Writes everything; returns the page. `plan` is the study's file, in plain values."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = make_figures(findings)
    for name, png in figures.items():
        (folder / f"{name}.png").write_bytes(png)
    (folder / "table.md").write_text(as_markdown(findings), encoding="utf-8")
    (folder / PAGE).write_text(render_page(findings, figures, plan=plan), encoding="utf-8")
    write_json(folder / "study.json", as_json(findings) | {"plan": plan})
    return folder / PAGE


def as_json(findings: Findings) -> dict[str, Any]:
    """All of it in plain values; a number that does not exist is null, with a reason."""
    plain = findings._asdict()
    return {
        "name": findings.study.name,
        "question": findings.study.question,
        "date": date.today().isoformat(),
        "verdict": verdict(findings),
        "finished": {stage: list(count) for stage, count in findings.counts.items()},
        "family_of_holm": len(findings.comparisons),
        "study": asdict(findings.study),
        "commands": [shown("train.py", arguments) for arguments in findings.commands],
        **{
            name: [_plain(record) for record in plain[name]]
            for name in ("values", "means", "comparisons", "scores", "costs", "unfinished")
        },
    }


def _plain(record: Any) -> Any:
    """Named tuples as dicts, those within them too."""
    if hasattr(record, "_asdict"):
        return {name: _plain(value) for name, value in record._asdict().items()}
    return record


def as_markdown(findings: Findings) -> str:
    """The tables as a README takes them, two a head."""
    study, title = findings.study, metric_words(findings.study.metric).title
    parts = [f"{study.question}", f"{progress_text(findings)}. {verdict(findings)}"]
    for head in study.heads:
        parts += [
            f"{title} (`{study.metric}`, head={head}): mean over seeds ± half the 95 % interval.",
            _markdown(tables.means(findings, head)),
            "The same, first minus second arm, paired by seed: difference, 95 % interval, p after "
            f"Holm over the study’s {len(findings.comparisons)} comparisons.",
            _markdown(tables.differences(findings, head)),
        ]
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> str:
    bold = {True: "**", False: ""}
    lines = [table.head, ["---", *["---:"] * (len(table.head) - 1)]]
    for name, entries in table.rows:
        texts = [f"{bold[entry.is_main]}{entry.text}{bold[entry.is_main]}" for entry in entries]
        lines.append([f"`{name}`", *texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
