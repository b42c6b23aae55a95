"""Tables of a study for the page, the Markdown file and the terminal."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from handpose.evaluation.summarise import describe
from handpose.report.rows import duration, shown
from handpose.study.comparisons import Comparison, Findings
from handpose.study.statistics import Estimate
from handpose.study.study_keys import Place

NOTHING = "–"
PRIMARY = "◆"  # marks the primary endpoint


class Entry(NamedTuple):
    """One cell of a table."""

    text: str
    value: float | None = None  # the exact number
    is_main: bool = False
    note: str = ""  # beside the text


class Table(NamedTuple):
    """A header, and rows that begin with their name.

    Attributes:
        names: number of the first columns that name the row.
    """

    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Entry]]]
    names: int = 1


def percent(fraction: float) -> str:
    """Writes 0.05 as "5 %"."""
    return f"{100 * fraction:g} %"


def place_text(place: Place) -> str:
    """Writes a place as "across, heatmap, 5 %"."""
    return ", ".join(filter(None, (place.condition, place.head, percent(place.fraction))))


def signed(value: float | None, write: Callable[[float], str]) -> str:
    """Writes a number with its sign; the minus is as long as the plus.

    Args:
        value: the number.
        write: formats the absolute value.
    """
    return NOTHING if value is None else f"{'−' if value < 0 else '+'}{write(abs(value))}"


def percent_change(change: float | None) -> str:
    """Writes a relative change in percent."""
    return signed(change, lambda size: f"{size:.1f} %")


def constant_name(metric: str) -> str:
    """Names the constant prediction."""
    return "mean pose" if metric.startswith("mean_pose_") else metric


class StudyTables:
    """The tables of one condition and head, in the unit of the study's metric."""

    def __init__(self, findings: Findings, condition: str | None, head: str) -> None:
        self.findings = findings
        self.study = study = findings.study
        self.condition = condition
        self.head = head
        self.unit = describe(study.metric).unit
        self.arms = study.arms_of(condition)
        self.fractions = study.fractions_of(condition)
        self.pairs = study.pairs_of(condition)
        self.planned_seeds = study.seeds_of(condition)

    def place(self, fraction: float) -> Place:
        """Returns the place of a fraction."""
        return Place(self.condition, self.head, fraction)

    def against_baseline(self) -> list[tuple[str, list[Entry]]]:
        """Returns arm x every fraction of the study: the mean, with the change and p beside it."""
        absent = Entry(NOTHING)
        rows = []
        for arm, entries in self.means().rows:
            own = dict(zip(self.fractions, entries, strict=True))
            for part, entry in own.items():
                notes = filter(None, (self._change(arm, part), entry.note))
                own[part] = entry._replace(note=", ".join(notes))
            rows.append((arm, [own.get(part, absent) for part in self.study.fractions]))
        return rows

    def _change(self, arm: str, part: float) -> str:
        """Returns "−7.1 %, p = 0.012 ◆"."""
        found = self.findings.comparisons.get((self.place(part), arm, self.study.baseline))
        if found is None or found.difference.percent is None:
            return ""
        return ", ".join([percent_change(found.difference.percent), *self._test(found)])

    def means(self) -> Table:
        """Returns arm x fraction: mean ± half the 95 % interval, best bold; then the constant."""
        study, parts = self.study, self.fractions
        best = min if study.better == "lower" else max
        rows: list[tuple[str, list[Entry]]] = [(arm, []) for arm in self.arms]
        for part in parts:
            own = [self.findings.means[self.place(part), arm] for arm in self.arms]
            leader = best((e.mean for e in own if e.mean is not None), default=None)
            for (_, entries), found in zip(rows, own, strict=True):
                is_best = found.mean is not None and found.mean == leader
                seeds = self._seeds(found)
                entries.append(Entry(self._mean(found), found.mean, is_best, note=seeds))
        constants = [self.findings.constant(self.place(part)) for part in parts]
        if any(value is not None for value in constants):
            entries = [self._entry(value) for value in constants]
            rows.append((constant_name(str(study.constant)), entries))
        return Table(("labels", *map(percent, parts)), rows)

    def further_pairs(self) -> list[tuple[str, list[Entry]]]:
        """Returns pair x every fraction of the study, of the pairs without the baseline."""
        parts = self.study.fractions
        return [
            (f"{arm} − {other}", [self._difference(arm, other, part) for part in parts])
            for arm, other in self.pairs
            if other != self.study.baseline
        ]

    def comparisons(self) -> Table:
        """Returns one row per comparison, with all its numbers."""
        rows = [
            (f"{arm} − {against}, {percent(part)}", self._comparison(found))
            for ((*at, part), arm, against), found in self.findings.comparisons.items()
            if at == [self.condition, self.head]
        ]
        tested = ("p", "p, corrected", "seeds")
        return Table(("comparison", "difference", "95 % interval", "change", *tested), rows)

    def seeds(self) -> Table:
        """Returns arm and fraction x seed: every value."""
        values, seeds = self.findings.values, self.planned_seeds
        rows = []
        for part in self.fractions:
            for arm in self.arms:
                found = [values.get((self.place(part), arm, seed)) for seed in seeds]
                entries = [self._entry(one.value if one else None) for one in found]
                rows.append((f"{arm}, {percent(part)}", entries))
        return Table(("arm, labels", *(f"seed {seed}" for seed in seeds)), rows)

    def tuning(self) -> Table:
        """Returns arm and fraction x candidate on the validation split, the chosen one in bold."""
        tune = self.study.tune
        assert tune is not None, "there was no choice"
        unit = describe(tune.metric).unit
        rows: dict[str, list[Entry]] = {}
        for ((*at, part), arm, _), (value, is_main) in self.findings.scores.items():
            if at == [self.condition, self.head]:
                entry = self._entry(value, unit)._replace(is_main=is_main)
                rows.setdefault(f"{arm}, {percent(part)}", []).append(entry)
        return Table(("arm, labels", *tune.candidates), [*rows.items()])

    def _number(self, value: float) -> str:
        return shown(value, unit=self.unit)

    def _entry(self, value: float | None, unit: str | None = None) -> Entry:
        unit = self.unit if unit is None else unit
        return Entry(NOTHING if value is None else shown(value, unit=unit), value)

    def _mean(self, found: Estimate) -> str:
        """Returns "12.34 ± 0.56"."""
        if found.mean is None:
            return NOTHING
        half = "" if found.half is None else f" ± {self._number(found.half)}"
        return f"{self._number(found.mean)}{half}"

    def _seeds(self, found: Estimate) -> str:
        """Returns "2 of 3 seeds", or an empty text if none is missing."""
        planned = len(self.planned_seeds)
        return "" if found.n in (0, planned) else f"{found.n} of {planned} seeds"

    def _interval(self, found: Estimate) -> str:
        """Returns "[−0.80, −0.24]"."""
        if found.low is None:
            return NOTHING
        return f"[{signed(found.low, self._number)}, {signed(found.high, self._number)}]"

    def _difference(self, arm: str, against: str, part: float) -> Entry:
        """Returns "−0.52", with "[−0.80, −0.24], p = 0.012" beside it: the corrected p."""
        comparison = self.findings.comparisons.get((self.place(part), arm, against))
        if comparison is None or comparison.difference.estimate.mean is None:
            return Entry(NOTHING)
        found = comparison.difference.estimate
        notes = [self._interval(found)] if found.low is not None else []
        notes += self._test(comparison)
        return Entry(signed(found.mean, self._number), found.mean, note=", ".join(notes))

    def _test(self, comparison: Comparison) -> list[str]:
        """Returns "p = 0.012", the number of pairs if some are missing, and the primary's mark."""
        p, n = comparison.p_holm, comparison.difference.estimate.n
        texts = [] if p is None else [f"p {_p_text(p, '= ')}"]
        texts += [f"{n} of {len(self.planned_seeds)} pairs"] if comparison.dropped else []
        return [*texts[:-1], f"{texts[-1]} {PRIMARY}"] if texts and comparison.is_primary else texts

    def _comparison(self, comparison: Comparison) -> list[Entry]:
        (found, _, p), p_holm, _, dropped = comparison
        change = comparison.difference.percent
        reason = f" ({found.reason})" if found.reason else ""
        seeds = f"{found.n}{f' (without {_listed(dropped)})' if dropped else ''}"
        return [
            Entry(signed(found.mean, self._number), found.mean, comparison.is_significant),
            Entry(self._interval(found) + reason),
            Entry(percent_change(change), change),
            Entry(_p_text(p), p),
            Entry(_p_text(p_holm), p_holm),
            Entry(seeds, found.n),
        ]


def costs(findings: Findings) -> Table:
    """Returns arm x training time and images."""

    def time(seconds: float | None) -> Entry:
        return Entry(NOTHING if seconds is None else duration(seconds), seconds)

    def count(images: float | None) -> Entry:
        return Entry(NOTHING if images is None else shown(round(images)), images)

    rows = [
        (arm, [time(c[0]), count(c[1]), time(c[2]), count(c[3]), time(c.total)])
        for arm, c in findings.costs.items()
    ]
    of_stages = ("a pre-training", "views seen", "a fine-tuning", "crops seen")
    return Table(("arm", *of_stages, "all its runs"), rows)


def environments(findings: Findings) -> Table:
    """Returns commit x versions, device and number of runs."""
    rows = []
    for one, count in findings.environments:
        versions, device = one["versions"] or {}, one["device"] or {}
        commit = (one["commit"] or "unknown")[:9] + (" + changes" if one["dirty"] else "")
        texts = [str(versions.get(name, NOTHING)) for name in ("handpose", "python", "torch")]
        texts.append(f"{device.get('count', '?')} × {device.get('name', '?')}")
        rows.append((commit, [*map(Entry, texts), Entry(str(count), count)]))
    return Table(("commit", "handpose", "Python", "torch", "device", "runs"), rows)


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _p_text(p: float | None, equals: str = "") -> str:
    """Returns "0.012" or "< 0.001"."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{equals}{p:.3f}"
