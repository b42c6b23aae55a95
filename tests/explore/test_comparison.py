"""The tables of runs side by side: which run a letter stands for, and whose number is best."""

import re
from pathlib import Path
from typing import Any

from handpose.explore.comparison import key_table, lettered, metrics_table
from handpose.explore.finished_runs import Run


def run(name: str, config: dict[str, Any] | None = None, **results: float) -> Run:
    return Run(name, Path(name), config or {}, results, 0.0)


def rows(table: str) -> dict[str, list[tuple[str, bool]]]:
    """The name of each metric -> the numbers of its row, and whether they are in bold."""
    found = {}
    for row in table.split("<tr>")[2:]:
        cells = re.findall(r'<td( class="best")?>([^<]*)</td>', row)
        found[re.findall("<code>(.*?)</code>", row)[0]] = [(text, bool(b)) for b, text in cells]
    return found


def test_the_lowest_error_and_the_highest_area_are_best() -> None:
    chosen = lettered(
        [
            run("a", pa_epe_mm=12.0, auc_pa_50mm=0.7, root_depth_clamped_share=0.2),
            run("b", pa_epe_mm=11.0, auc_pa_50mm=0.6, root_depth_clamped_share=0.1),
        ]
    )
    found = rows(metrics_table(chosen))
    assert found["pa_epe_mm"] == [("12.00", False), ("11.00", True)]
    assert found["auc_pa_50mm"] == [("0.700", True), ("0.600", False)]
    assert found["root_depth_clamped_share"] == [("0.200", False), ("0.100", True)]


def test_a_run_that_has_no_number_is_not_the_best() -> None:
    found = rows(metrics_table(lettered([run("a", pa_epe_mm=12.0), run("b")])))
    assert [bold for _, bold in found["pa_epe_mm"]] == [False, False]


def test_the_key_says_where_weights_came_from_and_is_no_html_of_a_run() -> None:
    start = {"backbone": {"name": "resnet18", "weights": "<b>.pt"}, "seed": 5}
    plain, begun = (key_table(lettered([run("<i>", config)])) for config in ({"seed": 5}, start))
    assert "from &lt;b&gt;.pt" in begun
    assert "from" not in plain
    assert "<code>&lt;i&gt;</code>" in plain
