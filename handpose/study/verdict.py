"""The verdict of a study in sentences."""

from handpose.study.findings import Findings
from handpose.study.tables import percent, percent_change

_STAGES = {"pretrain": "pre-trainings", "tune": "tuning runs", "runs": "final runs"}


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
    for (arm, against, head, part), found in different.items():
        (_, mean, *_), change, _ = found.difference
        assert mean is not None, "it has a p value"
        word = "better" if (mean < 0) == (findings.study.better == "lower") else "worse"
        where = f" with {head}" if len(findings.study.heads) > 1 else ""
        claim = claims.setdefault(f"{arm} is {word} than {against}{where}", [])
        claim.append(f"{percent(part)} ({percent_change(change)})")
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
