"""The numbers of results.json that trackers list beside other runs."""

import math

from handpose.evaluation.evaluation import Results
from handpose.evaluation.summarise import COUNTS, main_names


def numbers(results: Results) -> dict[str, float]:
    """Return the finite numbers by their names in results.json.

    Left out are nulls with their reasons, texts, and of how many hands and joints each metric is.

    Args:
        results: content of results.json.
    """
    return {
        name: value
        for name, value in results.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and not name.endswith(COUNTS)
    }


def main_numbers(results: Results) -> dict[str, float]:
    """Return those for a first look.

    Args:
        results: content of results.json.
    """
    found = numbers(results)
    return {name: found[name] for name in main_names() if name in found}
