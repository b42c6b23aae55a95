"""The page, the JSON and the terminal say the same, and all of it."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from handpose.doctor.advice import DatasetFacts, Request, advise
from handpose.doctor.diagnosis import Diagnosis, as_json, diagnose, list_bad_files
from handpose.doctor.findings import Drawn, Finding, SourceFacts
from handpose.doctor.page import print_diagnosis, render_page
from handpose.doctor.sources import Source

BAD = tuple(Finding(f"training/rgb/{i:08d}.jpg", "empty <b>", i == 0) for i in range(30))


@pytest.fixture
def diagnosis(make_facts: Callable[..., SourceFacts]) -> Diagnosis:
    dataset = DatasetFacts("dataset", (make_facts(findings=BAD, counts={"left out": 1234}),))
    advice = tuple(advise([dataset], Request([], Path("out"))))
    drawn = [Drawn("val", "left", "some/x.jpg#1", np.zeros((16, 16, 3), np.uint8))]
    return Diagnosis((dataset,), advice, {"dataset": drawn})


def test_the_page_needs_nothing_else_and_names_every_bad_file(diagnosis: Diagnosis) -> None:
    page = render_page(diagnosis, command="python scripts/doctor.py <x>")
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]+)', page))
    assert not re.search(r"https?://|<script|<link", page)
    assert "<b>" not in page
    assert "&lt;x&gt;" in page
    assert all(finding.file in page for finding in BAD)
    assert "1,234" in page
    assert "left · x.jpg#1" in page
    assert "1 problem to fix first" in page


def test_the_json_is_plain(diagnosis: Diagnosis) -> None:
    content = json.loads(json.dumps(as_json(diagnosis), allow_nan=False))
    assert content["ready"] is False
    source = content["datasets"]["dataset"]["dataset"]
    assert [finding["file"] for finding in source["findings"]] == [f.file for f in BAD]
    assert source["splits"][0]["measures"]["bone"] == 92.0


def test_the_terminal_shows_a_few_and_says_where_the_rest_is(diagnosis: Diagnosis) -> None:
    console = Console(file=io.StringIO(), width=80)
    print_diagnosis(diagnosis, page="out/doctor.html", console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert BAD[3].file in text
    assert BAD[20].file not in text
    assert "and 18 more" in text
    assert "out/doctor.html" in text
    assert "empty <b>" in text
    header = next(line for line in text.splitlines() if line.startswith("split"))
    assert header.strip().endswith("camera px off max px in box bone mm")  # 80 columns hold it


def test_quarantine_there_and_back(
    root: Path, tmp_path: Path, make_source: Callable[..., Source]
) -> None:
    (root / "training" / "rgb" / "00000003.jpg").write_bytes(b"")
    request = Request([], tmp_path)
    found = diagnose({"dataset": [make_source(root)]}, request)
    assert not found.is_ready
    path = tmp_path / "new" / "bad.csv"
    assert list_bad_files(found, path) == 1
    accepted = make_source(root, str(path))
    assert len(accepted.open("train", None)) + len(accepted.open("val", None)) == 15
    assert diagnose({"dataset": [accepted]}, request).is_ready


def test_what_cannot_be_read_is_not_listed(make_facts: Callable[..., SourceFacts]) -> None:
    fatal = make_facts(is_fatal=True, findings=BAD)
    diagnosis = Diagnosis((DatasetFacts("dataset", (fatal,)),), (), {})
    assert list_bad_files(diagnosis, Path("/dev/null")) == 0
