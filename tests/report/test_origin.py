"""The provenance block of a report, in words."""

from pathlib import Path
from typing import Any

import pytest

from handpose.report.origin import describe_code, describe_device, origin, short
from handpose.report.page import ReportInput, write_report

DIGEST = "0123456789abcdef" * 4


def session(**changed: Any) -> dict[str, Any]:
    return {
        "commit": DIGEST[:40],
        "dirty": True,
        "versions": {"timm": "1.0", "torch": "2.9", "handpose": "0.2", "cuda": None},
        "device": {"type": "cuda", "name": "H200", "count": 2, "processes": 2},
        "host": "node7",
        "command": "handpose train seed=<1>",
        "started": "2026-01-02T03:04:05+01:00",
        "ended": "2026-01-02T04:04:05+01:00",
    } | changed


def block(*sessions: dict[str, Any], **changed: Any) -> dict[str, Any]:
    split = {"source": "freihand", "samples": 1234, "fingerprint": f"freihand {DIGEST} {DIGEST}"}
    return {
        "sessions": list(sessions),
        "has_all_sessions": True,
        "started": sessions[0]["started"],
        "ended": sessions[-1]["ended"],
        "seconds": {"pretrain": 3661.0, "finetune": 5.0},
        "data": {"finetune": {"train": split}},
    } | changed


def test_the_facts_are_of_the_last_session() -> None:
    found = origin(block(session(), session(host="node8", dirty=False)))
    assert found is not None
    assert found.facts == [
        ("Code", "commit 0123456789ab, without changes"),
        ("Device", "2 × H200, 2 processes, on node8"),
        ("Versions", "handpose 0.2, torch 2.9, timm 1.0"),
        ("Started", "2026-01-02 03:04:05 +01:00"),
        ("Ended", "2026-01-02 04:04:05 +01:00"),
        ("Pre-training, time", "1 h 1 min"),
        ("Fine-tuning, time", "5.0 s"),
        (
            "Fine-tuning, train data",
            "freihand, 1\u202f234 samples, fingerprint freihand 0123456789ab 0123456789ab",
        ),
    ]


def test_a_session_names_the_versions_that_differ() -> None:
    older = session(versions=session()["versions"] | {"torch": "2.8"}, ended=None)
    found = origin(block(older, session()))
    assert found is not None
    texts = [row.text for row in found.sessions]
    place = "commit 0123456789ab, with uncommitted changes; 2 × H200, 2 processes, on node7"
    assert texts == [
        f"no end recorded; {place}; torch 2.8",
        f"until 2026-01-02 04:04:05 +01:00; {place}",
    ]


@pytest.mark.parametrize("nothing", [None, {}, {"sessions": []}])
def test_older_runs_have_none(nothing: Any) -> None:
    assert origin(nothing) is None


def test_code_of_a_wheel_and_of_a_slow_repository() -> None:
    assert describe_code(session(commit=None)) == "handpose 0.2, not a git checkout"
    assert describe_code(session(dirty=None)) == "commit 0123456789ab, state unknown"


def test_a_device_of_one() -> None:
    cpu = {"type": "cpu", "name": "EPYC", "count": 1, "processes": 1}
    assert describe_device(cpu) == "EPYC (1 core), 1 process"
    assert describe_device(cpu | {"type": "cuda", "name": "H200"}) == "H200, 1 process"


def test_only_digests_are_shortened() -> None:
    assert short(f"freihand {DIGEST} train-cdcc17dcd7105264") == (
        f"freihand {DIGEST[:12]} train-cdcc17dcd7105264"
    )


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_page_has_a_block_if_it_is_known(
    report: ReportInput, tmp_path: Path, count: int
) -> None:
    results: dict[str, Any] = dict(report.results)
    if count:
        results["provenance"] = block(*[session()] * count, has_all_sessions=False)
    write_report(tmp_path / "report.html", report._replace(results=results), {})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("<h2>Provenance</h2>" in page) == (count > 0)
    assert ("Earlier sessions are not on record." in page) == (count > 0)
    assert ("handpose train seed=&lt;1&gt;" in page) == (count > 1)
    assert "seed=<1>" not in page
    assert "{&#39;sessions" not in page, "the block is no fact"
