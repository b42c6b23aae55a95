"""The tables of a study, for any medium: a header, and rows of texts with their exact values."""

from collections.abc import Sequence
from typing import NamedTuple

from handpose.report.rows import duration, shown
from handpose.study.collect import Comparison, Findings
from handpose.study.wording import (
    NOTHING,
    constant_words,
    difference_text,
    estimate_text,
    interval_text,
    is_significant,
    metric_words,
    p_text,
    percent,
    percent_text,
    signed,
)


class Entry(NamedTuple):
    """A cell of a table."""

    text: str
    value: float | None = None  # as it is exactly
    is_main: bool = False


class Table(NamedTuple):
    """The first cell of a row names it."""

    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Entry]]]


def means(findings: Findings, head: str) -> Table:
    """Arm x fraction: mean ± half the 95 % interval, the best in bold; the constant below."""
    study, unit = findings.study, metric_words(findings.study.metric).unit
    best = min if study.better == "lower" else max
    found = {(m.arm, m.fraction): m.estimate for m in findings.means if m.head == head}
    leaders = {}
    for fraction in study.fractions:
        known = [found[arm, fraction].mean for arm in study.arms]
        leaders[fraction] = best((mean for mean in known if mean is not None), default=None)

    def entry(arm: str, fraction: float) -> Entry:
        one = found[arm, fraction]
        text = estimate_text(one, unit=unit, planned=len(study.seeds))
        return Entry(text, one.mean, one.mean is not None and one.mean == leaders[fraction])

    rows = [(arm, [entry(arm, part) for part in study.fractions]) for arm in study.arms]
    constants = [constant(findings, head, part) for part in study.fractions]
    if any(value is not None for value in constants):
        rows.append(
            (constant_words(str(study.constant)), [_plain(value, unit) for value in constants])
        )
    return Table(("labels", *map(percent, study.fractions)), rows)


def constant(findings: Findings, head: str, fraction: float) -> float | None:
    """What the constant prediction gets, the mean over the runs; None without any."""
    own = [v.constant for v in findings.values if (v.head, v.fraction) == (head, fraction)]
    known = [value for value in own if value is not None]
    return sum(known) / len(known) if known else None


def _plain(value: float | None, unit: str) -> Entry:
    return Entry(NOTHING if value is None else shown(value, unit=unit), value)


def differences(findings: Findings, head: str) -> Table:
    """Pair x fraction: the difference, its 95 % interval, and the corrected p."""
    study, unit = findings.study, metric_words(findings.study.metric).unit
    rows = []
    for pair in study.pairs:
        own = [c for c in findings.comparisons if c.head == head and (c.arm, c.against) == pair]
        texts = [difference_text(c, unit=unit, planned=len(study.seeds)) for c in own]
        rows.append((_pair(own[0]), [Entry(text) for text in texts]))
    return Table(("difference", *map(percent, study.fractions)), rows)


def _pair(comparison: Comparison) -> str:
    return f"{comparison.arm} − {comparison.against}"


def comparisons(findings: Findings, head: str) -> Table:
    """A row a comparison, with all that is known of it."""
    unit = metric_words(findings.study.metric).unit
    names = ("comparison", "difference", "95 % interval", "change", "p", "p, corrected", "seeds")
    own = [c for c in findings.comparisons if c.head == head]
    return Table(names, [(f"{_pair(c)}, {percent(c.fraction)}", _comparison(c, unit)) for c in own])


def _comparison(comparison: Comparison, unit: str) -> list[Entry]:
    found = comparison.difference
    mean = found.estimate.mean
    return [
        Entry(
            NOTHING if mean is None else signed(mean, unit=unit), mean, is_significant(comparison)
        ),
        Entry(interval_text(found.estimate, unit=unit) + _because(found.estimate.reason)),
        Entry(percent_text(found), found.percent),
        Entry(p_text(found.p), found.p),
        Entry(p_text(comparison.p_holm), comparison.p_holm),
        Entry(str(found.estimate.n), found.estimate.n),
    ]


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def seeds(findings: Findings, head: str) -> Table:
    """A row an arm and fraction, a column a seed: every value."""
    study, unit = findings.study, metric_words(findings.study.metric).unit
    found = {(v.arm, v.fraction, v.seed): v for v in findings.values if v.head == head}
    rows = []
    for fraction in study.fractions:
        for arm in study.arms:
            own = [found.get((arm, fraction, seed)) for seed in study.seeds]
            entries = [Entry(NOTHING) if v is None else _plain(v.value, unit) for v in own]
            rows.append((f"{arm}, {percent(fraction)}", entries))
    return Table(("arm, labels", *(f"seed {seed}" for seed in study.seeds)), rows)


def tuning(findings: Findings, head: str) -> Table:
    """Arm and fraction x candidate on the validation split, the chosen one in bold."""
    study = findings.study
    assert study.tuning is not None, "there was no choice"
    unit, rows = metric_words(study.tuning.metric).unit, []
    for arm in study.arms:
        for fraction in study.tuning.fractions:
            own = [s for s in findings.scores if s[:3] == (arm, head, fraction)]
            entries = [_plain(s.value, unit)._replace(is_main=s.is_chosen) for s in own]
            rows.append((f"{arm}, {percent(fraction)}", entries))
    return Table(("arm, labels", *study.tuning.candidates), rows)


def costs(findings: Findings) -> Table:
    """Arm x what it took."""

    def entry(seconds: float | None) -> Entry:
        return Entry(NOTHING if seconds is None else duration(seconds), seconds)

    rows = [
        (c.arm, [entry(c.pretraining), entry(c.finetuning), entry(c.total)]) for c in findings.costs
    ]
    return Table(("arm", "a pre-training", "a fine-tuning", "all its runs"), rows)
