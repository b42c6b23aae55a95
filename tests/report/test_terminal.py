"""The results in the terminal, and the names of a run."""

from pathlib import Path

import pytest
from rich.console import Console

from handpose.evaluation.evaluation import not_applicable
from handpose.evaluation.summarise import summary_names
from handpose.report.choices import CAPPED, essence, part_name
from handpose.report.page import ReportInput, write_report
from handpose.report.terminal import NO_HEAD, print_results


def test_essence_names_the_parts(report):
    assert essence(report.config) == "synthetic × resnet18 × relative × heatmap"
    youtube = {"dataset": {"_target_": "handpose.data.sources.youtube.YouTube"}}
    both = {**report.config, "pretrain": youtube, "finetune": {"dataset": report.config["dataset"]}}
    assert essence(both).startswith("youtube → synthetic × ")
    assert part_name({"head": {"_target_": None}}, "head") == "none"


def test_terminal_names_values_and_page(report, tmp_path: Path):
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    run_dir = tmp_path / "runs/one"
    run_dir.mkdir(parents=True)
    (run_dir / "report.html").touch()
    print_results(report.results, run_dir=run_dir, console=console)
    text = console.export_text()
    for name in ("pa_epe_mm", "mean_pose_pa_epe_mm"):
        assert f"{report.results[name]:.2f}" in text
    assert "runs/one/report.html" in text.replace("\n", "")
    assert "root_depth=solve <refines nothing>" in text


def printed(results: dict, tmp_path: Path, *, width: int = 110) -> list[str]:
    console = Console(record=True, width=width, file=(tmp_path / "out").open("w"))
    print_results(results, run_dir=tmp_path, console=console)
    return console.export_text().splitlines()


def test_the_terminal_says_metrics_in_words_with_units_the_main_three_first(report, tmp_path: Path):
    lines = printed({**report.results, "split": "val"}, tmp_path)
    assert lines[0].strip() == "Results on the val split"
    said = [line.split("  ")[0] for line in lines[2:5]]
    assert said == ["Aligned 3D error (PA)", "Root-relative 3D error", "2D error"]
    assert not lines[5].strip(), "a gap before the others"
    assert f"{report.results['pa_epe_mm']:.2f} mm" in lines[2]
    assert not any("_mm" in line or "_px" in line for line in lines), "words, not keys"


def test_what_is_not_measured_is_named_with_the_reason(tmp_path: Path):
    results = not_applicable(("root_depth_error_refined_mm",), "no sample has a [refined] depth")
    line = printed({"pa_epe_mm": 9.0, **results}, tmp_path)[-2]
    assert line == "Not measured: Root depth error, refined: no sample has a [refined] depth"


def test_a_run_without_a_head_says_so_in_one_line(tmp_path: Path):
    lines = printed(not_applicable(summary_names(), NO_HEAD), tmp_path)
    assert lines[:-1] == ["No head: no pose metrics"]


@pytest.mark.parametrize(
    ("caps", "times"), [(None, 0), ({"batches": None}, 0), ({"batches": 2, "samples": None}, 1)]
)
def test_the_page_of_a_capped_run_says_so(report, tmp_path: Path, caps: dict | None, times: int):
    capped = report._replace(config={**report.config, "trainer": {"caps": caps}})
    write_report(tmp_path / "report.html", capped, {})
    assert (tmp_path / "report.html").read_text().count(CAPPED) == times


def test_the_terminal_says_that_a_run_was_capped(tmp_path: Path):
    console = Console(record=True, file=(tmp_path / "out").open("w"))
    print_results({"pa_epe_mm": 9.0}, run_dir=tmp_path, is_capped=True, console=console)
    assert console.export_text().splitlines()[-2] == CAPPED


@pytest.mark.parametrize(("error", "auc", "marks"), [(20.0, 0.3, 2), (9.0, 0.8, 0), (20.0, 0.8, 1)])
def test_what_is_worse_than_the_mean_pose_is_marked(
    tmp_path: Path, error: float, auc: float, marks: int
):
    results = {
        "pa_epe_mm": error, "mean_pose_pa_epe_mm": 10.0,
        "auc_pa_50mm": auc, "mean_pose_auc_pa_50mm": 0.5,
    }  # fmt: skip
    lines = printed(results, tmp_path)
    assert sum(line.split()[-1] == "worse" for line in lines if line.strip()) == marks
    report = ReportInput({}, "", results, {}, None, {}, None)
    write_report(tmp_path / "report.html", report, {})
    page = (tmp_path / "report.html").read_text()
    assert page.count("<small>worse than the mean pose</small>") == marks


def test_the_main_results_take_a_line_each_on_a_terminal_of_80_columns(report, tmp_path: Path):
    worse = {**report.results, "pa_epe_mm": 142.44, "mean_pose_pa_epe_mm": 17.35}
    lines = printed(worse, tmp_path, width=80)
    assert lines[2].split("  ")[0] == "Aligned 3D error (PA)"
    assert "×8.21 worse" in lines[2]
    assert [line.split("  ")[0] for line in lines[3:5]] == ["Root-relative 3D error", "2D error"]
