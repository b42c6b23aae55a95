"""What a study says in sentences: which comparisons differ, and how much is finished."""

from collections.abc import Mapping

from handpose.study.comparisons import Comparison, Findings
from handpose.study.result_tables import PRIMARY, percent, percent_change, place_text
from handpose.study.study_file import Study
from handpose.study.study_keys import Place

_STAGES = {"pretrain": "pre-trainings", "tune": "tuning runs", "runs": "final runs"}
_SAID = 8  # claims that are written out; more are in the table alone
_Compared = Mapping[tuple[Place, str, str], Comparison]


def verdict(findings: Findings) -> str:
    """Says in sentences which comparisons differ, those of the primary endpoint first."""
    study, every = findings.study, findings.comparisons
    if study.primary is None:
        return _family(study, every, "comparisons")
    families = [
        {key: found for key, found in every.items() if found.is_primary == is_primary}
        for is_primary in (True, False)
    ]
    first = _family(study, families[0], "comparisons", is_one_place=True)
    where = f"Primary endpoint ({place_text(study.primary.place)}): "
    rest = _family(study, families[1], "other comparisons") if families[1] else ""
    return f"{where}{first[:1].lower()}{first[1:]} {rest}".strip()


def _family(study: Study, every: _Compared, name: str, *, is_one_place: bool = False) -> str:
    """Says which comparisons of a family differ.

    Args:
        study: the content of the study's file.
        every: the family.
        name: of its comparisons.
        is_one_place: whether all of them are at one place, which is named before.
    """
    waiting = sum(found.p_holm is None for found in every.values())
    if waiting == len(every):
        return f"No {name.removesuffix('s')} can be tested yet: each needs two seeds of both arms."
    different = {key: found for key, found in every.items() if found.is_significant}
    rest = f" {waiting} cannot be tested yet." if waiting else ""
    if not different:
        return f"None of {len(every)} {name} differs at 5 % after Holm’s correction.{rest}"
    verb = "differs" if len(different) == 1 else "differ"
    start = f"{len(different)} of {len(every)} {name} {verb} at 5 % after Holm’s correction"
    if is_one_place:
        return f"{start}. {'. '.join(_claims_of_place(study, different))}.{rest}"
    claims = _claims(study, different)
    if len(claims) > _SAID:
        return f"{start}; the table has them.{rest}"
    return (
        f"{start}. By fraction of the labels, with the change of {study.metric}: "
        f"{'; '.join(claims)}.{rest}"
    )


def _claims_of_place(study: Study, different: _Compared) -> list[str]:
    """Returns "Better than b: a (−7.1 %), c (−5.0 %)" for each b, the largest changes first."""
    claims: dict[str, list[tuple[float, str]]] = {}
    for (_, arm, against), found in different.items():
        change = found.difference.percent or 0.0
        claim = claims.setdefault(f"{_word(study, found).capitalize()} than {against}", [])
        claim.append((abs(change), f"{arm} ({percent_change(change)})"))
    return [
        f"{claim}: {', '.join(text for _, text in sorted(arms, reverse=True))}"
        for claim, arms in claims.items()
    ]


def _word(study: Study, found: Comparison) -> str:
    mean = found.difference.estimate.mean
    assert mean is not None, "it has a p value"
    return "better" if (mean < 0) == (study.better == "lower") else "worse"


def _claims(study: Study, different: _Compared) -> list[str]:
    """Returns "a is better than b with heatmap, across, on 5 % (−7.1 %)"."""
    claims: dict[str, list[str]] = {}
    for (place, arm, against), found in different.items():
        where = f" with {place.head}" if len(study.heads) > 1 else ""
        where += f" {place.condition}" if place.condition else ""
        claim = claims.setdefault(f"{arm} is {_word(study, found)} than {against}{where}", [])
        claim.append(f"{percent(place.fraction)} ({percent_change(found.difference.percent)})")
    return [f"{claim} on {', '.join(parts)}" for claim, parts in claims.items()]


def families_text(findings: Findings) -> str:
    """Says over which comparisons Holm's correction is made."""
    primary = len(findings.family(is_primary=True))
    others = len(findings.family(is_primary=False))
    if findings.study.primary is None:
        return f"p is corrected by Holm’s method over the {others} comparisons of the study."
    return (
        f"p is corrected by Holm’s method in two families: the {primary} comparisons of the "
        f"primary endpoint ({PRIMARY} {place_text(findings.study.primary.place)}), and the "
        f"{others} others."
    )


def progress_text(findings: Findings) -> str:
    """Returns "3 of 8 pre-trainings, 0 of 4 tuning runs, 2 of 20 final runs finished"."""
    counts = findings.counts.items()
    parts = [
        f"{done} of {planned} {_STAGES[stage]}" for stage, (done, planned) in counts if planned
    ]
    return ", ".join(parts) + " finished"
