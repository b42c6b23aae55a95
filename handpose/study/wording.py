"""Numbers of a study as people read them."""

from typing import NamedTuple

from handpose.report.rows import metric_rows, shown
from handpose.study.collect import Comparison, Findings
from handpose.study.statistics import Difference, Estimate

NOTHING = "–"
LEVEL = 0.05  # of the corrected p values that the verdict names


class Metric(NamedTuple):
    """A metric's name in words, and its unit or nothing."""

    label: str
    unit: str

    @property
    def title(self) -> str:
        """Both."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


def metric_words(name: str) -> Metric:
    """What a number of results.json is called."""
    row = next(iter(metric_rows({name: 0.0})), None)
    return Metric(row.label, row.unit) if row else Metric(name.replace("_", " "), "")


def percent(fraction: float) -> str:
    """0.05 -> "5 %"."""
    return f"{100 * fraction:g} %"


def estimate_text(estimate: Estimate, *, unit: str, planned: int) -> str:
    """ "12.34 ± 0.56"; how many seeds it is of where that is not all of them."""
    if estimate.mean is None:
        return NOTHING
    half = "" if estimate.half is None else f" ± {shown(estimate.half, unit=unit)}"
    seeds = "" if estimate.n == planned else f" ({estimate.n} of {planned} seeds)"
    return f"{shown(estimate.mean, unit=unit)}{half}{seeds}"


def signed(value: float, *, unit: str) -> str:
    """With its sign, and a minus as long as the plus."""
    return f"{'−' if value < 0 else '+'}{shown(abs(value), unit=unit)}"


def interval_text(estimate: Estimate, *, unit: str) -> str:
    """ "[−0.80, −0.24]"."""
    if estimate.low is None or estimate.high is None:
        return NOTHING
    return f"[{signed(estimate.low, unit=unit)}, {signed(estimate.high, unit=unit)}]"


def difference_text(comparison: Comparison, *, unit: str, planned: int) -> str:
    """ "−0.52 [−0.80, −0.24], p = 0.012": the corrected p."""
    found = comparison.difference.estimate
    if found.mean is None:
        return NOTHING
    parts = [signed(found.mean, unit=unit)]
    if found.low is not None:
        parts[0] += f" {interval_text(found, unit=unit)}"
        parts.append(f"p {p_text(comparison.p_holm, equals='= ')}")
    if found.n != planned:
        parts.append(f"{found.n} of {planned} seeds")
    return ", ".join(parts)


def p_text(p: float | None, *, equals: str = "") -> str:
    """ "0.012", "< 0.001"."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{equals}{p:.3f}"


def percent_text(difference: Difference) -> str:
    """The relative change, signed."""
    if difference.percent is None:
        return NOTHING
    return f"{'−' if difference.percent < 0 else '+'}{abs(difference.percent):.1f} %"


def is_significant(comparison: Comparison) -> bool:
    """Whether its corrected p is below 5 %."""
    return comparison.p_holm is not None and comparison.p_holm < LEVEL


def verdict(findings: Findings) -> str:
    """Which comparisons differ, in sentences."""
    known = [c for c in findings.comparisons if c.p_holm is not None]
    if not known:
        return "No comparison can be tested yet: each takes two seeds of both arms."
    family = f"of {len(findings.comparisons)} comparisons"
    different = [c for c in known if is_significant(c)]
    waiting = len(findings.comparisons) - len(known)
    rest = f" {waiting} cannot be tested yet." if waiting else ""
    if not different:
        return f"None {family} differs at 5 % after Holm’s correction.{rest}"
    groups: dict[str, list[str]] = {}
    for comparison in different:
        change = f"{percent(comparison.fraction)} ({percent_text(comparison.difference)})"
        groups.setdefault(_claim(comparison, findings), []).append(change)
    claims = "; ".join(f"{claim} on {_listed(parts)}" for claim, parts in groups.items())
    verb = "differs" if len(different) == 1 else "differ"
    return (
        f"{len(different)} {family} {verb} at 5 % after Holm’s correction. On parts of the labels, "
        f"with the change of {findings.study.metric}: {claims}.{rest}"
    )


def _claim(comparison: Comparison, findings: Findings) -> str:
    mean = comparison.difference.estimate.mean
    assert mean is not None, "it has a p value"
    word = "better" if (mean < 0) == (findings.study.better == "lower") else "worse"
    head = f" with {comparison.head}" if len(findings.study.heads) > 1 else ""
    return f"{comparison.arm} is {word} than {comparison.against}{head}"


def _listed(parts: list[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def constant_words(name: str) -> str:
    """What the constant prediction is called."""
    return "mean pose" if name.startswith("mean_pose_") else name


def progress_text(findings: Findings) -> str:
    """ "3 of 8 pre-trainings, 0 of 4 tuning runs, 2 of 20 final runs finished"."""
    names = {"pretrain": "pre-trainings", "tune": "tuning runs", "runs": "final runs"}
    parts = [
        f"{done} of {planned} {names[stage]}"
        for stage, (done, planned) in findings.counts.items()
        if planned
    ]
    return ", ".join(parts) + " finished"
