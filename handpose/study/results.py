"""Numbers out of the files that a run leaves, read with care."""

import json
import math
from pathlib import Path
from typing import Any

from handpose.config.refusal import did_you_mean, nearest
from handpose.files import LARGEST_TEXT, regular


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: it cannot be read; names the file.
    """
    try:
        content = json.loads(regular(path, most=LARGEST_TEXT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); delete its folder") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object; delete its folder")
    return content


def number(path: Path, name: str) -> tuple[float | None, str]:
    """A number of a results.json, or None and the reason that stands there.

    Raises:
        ValueError: the file is damaged, has no such name, or no finite number there.
    """
    results = read_json(path)
    if name not in results:
        raise ValueError(f"{path} has no {name}{did_you_mean(nearest(name, results))}")
    value = results[name]
    if value is None:
        return None, str(results.get(f"{name}_reason", "null"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{path}: {name} is {value!r}, not a finite number")
    return float(value), ""
