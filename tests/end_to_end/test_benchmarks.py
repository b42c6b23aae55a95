"""The benchmarks run, and report what their first line promises; how fast is not asked here."""

import sys
from pathlib import Path

import pytest
from layouts import write_freihand

FORMATS = ("index", "JSON lists")


def test_input_compares_every_way_at_both_sizes(
    bench: object, capsys: pytest.CaptureFixture[str]
) -> None:
    results = bench("bench_input.py", "--quick")
    printed = capsys.readouterr().out
    assert set(results) == {"224 x 224", "1280 x 720"}
    for name, result in results.items():
        ways = result["ways"]
        assert {"original", "decode only", "JPEG files", "albumentations", "torchvision"} <= {*ways}
        assert ways["original"]["original"] == ways["decode only"]["decode only"] == 1
        assert min(min(way.values()) for way in ways.values()) > 0
        assert sum(result["shares"].values()) == pytest.approx(1)
        assert all(word in printed for word in (name, *ways, *result["shares"]))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_an_index_is_compared_with_lists(bench: object, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--annotations", "10", "--meshes", "5", "--workers", "2", "--epochs", "1")
    results = bench("bench_index.py", *options)
    printed = capsys.readouterr().out
    assert set(results) == {"index", "JSON lists", "YouTube"}
    assert all(set(results[name]) == {"first_s", "open_ms", "growth_MB"} for name in FORMATS)
    assert results["YouTube"]["growth_MB"] >= 0
    assert all(name in printed for name in results)


@pytest.mark.slow
def test_a_collection_is_measured_killed_and_resumed(
    bench: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", "wild_video:detect", "--minutes", "0.2", "--folder", str(tmp_path / "b"))
    results = bench("bench_collect.py", *options)
    printed = capsys.readouterr().out
    assert set(results) == {"0.2 min", "killed half-way", "resumed", "0.8 min", "reading alone"}
    assert results["0.2 min"]["frames read"] == 12
    assert results["0.8 min"]["peak_MB"] < 1.2 * results["0.2 min"]["peak_MB"]
    assert results["reading alone"]["decoded"] <= results["reading alone"]["all decoded"]
    assert all(name in printed for name in results)


@pytest.mark.slow
def test_gradient_caching_is_compared_with_the_whole_batch(
    bench: object, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--pairs", "48", "--chunk", "4", "--image-size", "32")
    results = bench("bench_gradient_cache.py", *options)
    printed = capsys.readouterr().out
    assert list(results) == ["all 48 pairs at once", "4 pairs at a time"]
    assert all(set(values) == {"MB", "seconds", "loss"} for values in results.values())
    assert all(way in printed for way in results)


@pytest.mark.slow
def test_losses_are_compared(bench: object, capsys: pytest.CaptureFixture[str]) -> None:
    results = bench("bench_loss.py", "--device", "cpu", "--quick")
    printed = capsys.readouterr().out
    assert list(results) == ["1024 views", "1024 views, weighted"]
    for name, values in results.items():
        assert name in printed
        assert values["gradients_differ"] < 1e-7
        assert values["MB"]["in chunks"] < values["MB"]["masked cross-entropy"]
        assert values["times_as_fast"] > 0


def test_ways_to_look_for_hands_are_compared(
    bench: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_freihand(tmp_path / "data" / "freihand", annotations=3, versions=1)
    (tmp_path / "whole_image.py").write_text(
        "from handpose.detect.base import Detection\n"
        "def find(image):\n"
        "    height, width = image.shape[:2]\n"
        "    return [Detection((width / 2, height / 2, 0.7 * width), 'right', 0.9, None)]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    options = ("data", "--model", "whole_image:find", "--empty", "3")
    results = bench("bench_detector.py", *options)
    printed = capsys.readouterr().out
    once, parts, thorough = (results[name] for name in ("once", "image and parts", "--thorough"))
    assert once["hands"] == once["found"] == once["right_side"] == 3
    assert once["false"] == once["without_hand"] >= 3
    assert (once["looks_per_image"], parts["looks_per_image"]) == (1, 5)
    assert thorough["looks_per_image"] > 5
    assert all(name in printed for name in results)


def test_views_of_a_worker_and_of_the_device_are_compared(
    bench: object, capsys: pytest.CaptureFixture[str]
) -> None:
    found = bench("bench_views.py", "--device", "cpu", "--quick")
    printed = capsys.readouterr().out
    assert set(found) == {"us", "MB", "differ"}
    assert min(found["us"].values()) > 0
    assert all(way in printed for way in found["us"])
    assert found["differ"] < 0.5
