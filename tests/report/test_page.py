"""report.html: all of the results, and nothing from elsewhere."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from handpose.evaluation.evaluation import not_applicable
from handpose.evaluation.summarise import SECOND_PASS, summarise
from handpose.evaluation.training_metrics import SPEED_METRICS
from handpose.report.page import make_figures, write_report
from handpose.report.rows import facts, metric_rows, speed_rows


def test_page_is_self_contained(page, figures):
    addresses = re.findall(r'(?:src|href|action)\s*=\s*"([^"]*)"', page)
    assert len(addresses) == len(figures)
    assert all(address.startswith("data:image/") for address in addresses)
    for pattern in ("<script", "<link", "url(", "@import", "http://", "https://"):
        assert pattern not in page
    assert len(page) < 2_000_000


def test_page_images_decode(page):
    for kind, data in re.findall(r'src="data:image/(\w+);base64,([^"]+)"', page):
        array = np.frombuffer(base64.b64decode(data), dtype=np.uint8)
        assert cv2.imdecode(array, cv2.IMREAD_COLOR) is not None, kind


def test_page_holds_every_result_and_reason(page, report):
    exact = set(re.findall(r'<data value="([^"]*)">', page))
    for name, value in report.results.items():
        if name.endswith("_reason"):
            assert str(value).replace("<", "&lt;").replace(">", "&gt;") in page
        elif value is not None:
            assert str(value).replace("&", "&amp;") in exact, name
    assert "cpu & more" not in page, "values are escaped"
    assert "1 min 15 s" in page


def test_no_result_is_a_metric_and_a_fact(report):
    names = [cell.key for row in metric_rows(report.results) for cell in row.cells.values()]
    names += [fact.cell.key for fact in facts(report.results)]
    names += [cell.key for row in speed_rows(report.results) for cell in row.cells.values()]
    plain = [name for name in report.results if not name.endswith("_reason")]
    assert sorted(names) == sorted(plain)


def test_speed_is_a_table_of_the_stages_that_ran(report, page):
    rows = {row.words.name: row for row in speed_rows(report.results)}
    assert list(rows) == [metric.name for metric in SPEED_METRICS]
    assert all(list(row.cells) == ["pretrain", "evaluate"] for row in rows.values())
    assert rows["mfu_percent"].reasons == {"nobody < knows": ["evaluate"]}
    assert "<h3>Speed</h3>" in page
    assert "n/a (evaluate): nobody &lt; knows" in page
    assert speed_rows({"pa_epe_mm": 3.0}) == []


def test_metric_stands_beside_its_baseline(report):
    row = next(row for row in metric_rows(report.results) if row.mean.key == "pa_epe_mm")
    assert row.cells["median"].key == "pa_epe_median_mm"
    assert row.cells["shuffled"].key == "shuffled_pa_epe_mm"
    expected = report.results["pa_epe_mm"] / report.results["mean_pose_pa_epe_mm"]
    assert row.ratio == pytest.approx(expected)


def test_a_second_pass_stands_below_the_first(report):
    second = {f"{SECOND_PASS}{name}": 1.0 for name in ("pa_epe_mm", "pa_epe_median_mm")}
    rows = metric_rows({**report.results, **second})
    keys = [row.mean.key for row in rows]
    row = rows[keys.index("second_pass_pa_epe_mm")]
    assert keys.index(row.mean.key) == keys.index("pa_epe_mm") + 1
    assert row.words.label.endswith("second pass")
    assert row.cells["median"].key == "second_pass_pa_epe_median_mm"


def test_what_does_not_apply_comes_last(report):
    values = [row.mean.value for row in metric_rows(report.results)]
    assert None in values
    assert None not in values[: values.index(None)]
    assert set(values[values.index(None) :]) == {None}


def test_an_evaluation_names_its_dataset_and_its_file(report, tmp_path: Path):
    write_report(tmp_path / "report.html", report._replace(evaluated_on="mpii"), {})
    page = (tmp_path / "report.html").read_text()
    assert "evaluated on mpii</h1>" in page
    assert "evaluation-mpii.json" in page
    assert "results.json" not in page


@pytest.mark.parametrize("lacks", ["head", "objective"])
def test_stages_that_did_not_run_are_left_out(report, tmp_path: Path, lacks):
    config = {**report.config, lacks: {"_target_": None}}
    if lacks == "head":
        results = not_applicable(tuple(summarise(report.evaluation)), "head=none")
        curves = {
            name: points for name, points in report.curves.items() if name.startswith("pretrain")
        }
        cut = report._replace(results=results, curves=curves, evaluation=None, images={})
        expected = {"loss_pretrain", "view_pairs"}
    else:
        curves = {
            name: points for name, points in report.curves.items() if name.startswith("finetune")
        }
        cut = report._replace(curves=curves, views=None, images={})
        expected = {"loss_finetune", "pck", "error_per_joint", "reliability"}
    cut = cut._replace(config=config)
    figures = make_figures(cut)
    assert set(figures) == expected
    write_report(tmp_path / "report.html", cut, figures)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img") == len(expected)
    assert ("head=none" in page) == (lacks == "head")


def test_a_failed_write_keeps_the_old_page(report, tmp_path: Path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old page")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(path, report, {})
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "the old page"
