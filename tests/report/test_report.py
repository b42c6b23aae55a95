"""The report of a run: its figures, its page, and what each must not leave out."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from rich.console import Console
from torch.utils.data import default_collate

from handpose.augment.settings import Augmentation
from handpose.augment.views import make_views
from handpose.evaluation.evaluation import Evaluation, Results, not_applicable
from handpose.evaluation.joint_errors import aligned
from handpose.evaluation.summarise import SECOND_PASS, summarise
from handpose.geometry import affine as maps
from handpose.objectives.relative import relative_map
from handpose.records import Sample, Views
from handpose.report.choices import essence, part_name
from handpose.report.curves import stage_panels
from handpose.report.page import ReportInput, make_figures, write_report
from handpose.report.predictions import samples_to_draw
from handpose.report.rows import facts, metric_rows
from handpose.report.skeletons import enlarge, overlay
from handpose.report.style import joint_colour
from handpose.report.terminal import print_results
from handpose.report.views import pair_images, target_affine

N, J, SIZE = 15, 21, 32
SETTINGS = Augmentation(
    rotate=True,
    crop=True,
    random_crop=True,
    colour_jitter=False,
    colour_drop=False,
    gaussian_blur=False,
    gaussian_noise=False,
    cut_out=False,
    sobel=False,
    angle=(-45, 45),
    shift=(-0.1, 0.1),
    margin=1.25,
    margin_range=(0.9, 1.5),
    hue=(-45, 45),
    saturation=(0.2, 1.0),
    gain=(0.5, 1.0),
    bias=(5, 20),
    blur_sigma=(0.1, 2.0),
    noise_std=25,
    cut_out_side=(0, 0.16),
    probability=0.5,
)
CONFIG = {
    "seed": 5,
    "dataset": {"_target_": "handpose.data.sources.synthetic.Synthetic", "image_size": 64},
    "backbone": {"_target_": "handpose.backbones.resnet.ResNet", "name": "resnet18"},
    "objective": {"_target_": "handpose.objectives.relative.Relative"},
    "head": {"_target_": "handpose.heads.heatmap.HeatmapHead"},
    "pretrain": {"max_epochs": 3, "batch_size": 8},
    "finetune": {"max_epochs": 3, "batch_size": 8, "label_fraction": 0.1},
}
CURVES = {
    "pretrain/train_loss": [(0, 3.0), (1, 2.0)],
    "pretrain/val_loss": [(0, 3.1), (1, 2.2)],
    "pretrain/val_loss_rotation": [(0, 1.1), (1, 0.2)],
    "pretrain/val_rotation_error_deg": [(0, 31.0), (1, 12.0)],
    "pretrain/val_rotation_chance_deg": [(0, 30.0), (1, 30.0)],
    "pretrain/val_top1": [(0, 0.1), (1, 0.6)],
    "pretrain/val_top1_chance": [(0, 0.02), (1, 0.02)],
    "finetune/train_loss": [(0, 9.0)],
    "finetune/val_pa_epe_mm": [(0, 14.0)],
}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Hands near the truth, the more wrong the higher their row; some left, some half labelled."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    true = 40 * normal(N, J, 3) + torch.tensor([0.0, 0.0, 600.0])
    error = torch.linspace(0.5, 20, N, dtype=torch.float64)[:, None, None] * normal(N, J, 3)
    uv = 48 + 12 * normal(N, J, 2)
    valid = torch.ones(N, J, dtype=torch.bool)
    valid[::4, 5:9] = False
    return Evaluation(
        uv=uv + normal(N, J, 2),
        true_uv=uv,
        xyz=true + error - true[:, :1],
        true_xyz=true - true[:, :1],
        camera_xyz=true + error,
        true_camera_xyz=true,
        px_xyz=true,
        true_px_xyz=true,
        root_depth=true[:, 0, 2] + 5,
        solved_root_depth=true[:, 0, 2] - 9,
        is_refined=torch.ones(N, dtype=torch.bool),
        is_clamped=torch.zeros(N, dtype=torch.bool),
        true_root_depth=true[:, 0, 2],
        uv_valid=valid,
        xyz_valid=valid,
        z_valid=valid & valid[:, [5]],
        px_valid=torch.zeros(N, J, dtype=torch.bool),
        scale_valid=torch.ones(N, dtype=torch.bool),
        K_valid=torch.ones(N, dtype=torch.bool),
        is_left=torch.arange(N) % 2 == 0,
        index=100 + torch.arange(N),
        affine=torch.eye(2, 3).expand(N, 2, 3),
        mean_pose=40 * normal(J, 3),
        mean_pose_of_all=40 * normal(J, 3),
    )


@pytest.fixture(scope="module")
def views() -> Views:
    return default_collate([_views(index) for index in range(3)])


def _views(index: int) -> Views:
    rng = np.random.default_rng(index)
    image = cv2.GaussianBlur(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 5)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    none, box = np.zeros(J, dtype=bool), np.array([47.5, 47.5, 40], dtype=np.float32)
    sample = Sample(
        image, np.zeros((J, 2)), np.zeros((J, 3)), np.eye(3), none, none, box, "left", "x#0"
    )
    return make_views(
        sample, SETTINGS, rng=rng, size=SIZE, num_views=2, identity=index, index=index
    )


@pytest.fixture(scope="module")
def report(evaluation: Evaluation, views: Views) -> ReportInput:
    rows = [row for rows in samples_to_draw(evaluation, each=2).values() for row in rows]
    draw = np.random.default_rng(0)
    images = {100 + row: draw.integers(0, 256, (96, 96, 3), dtype=np.uint8) for row in rows}
    results: Results = {
        **summarise(evaluation),
        **not_applicable(("root_depth_error_refined_mm",), "root_depth=solve <refines nothing>"),
        "seconds_pretrain": 75.25,
        "device": "cpu & more",
    }
    return ReportInput(CONFIG, "python train.py seed=5", results, CURVES, evaluation, images, views)


@pytest.fixture(scope="module")
def figures(report: ReportInput) -> dict[str, bytes]:
    return make_figures(report)


@pytest.fixture(scope="module")
def page(report: ReportInput, figures: dict[str, bytes], tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("run") / "report.html"
    write_report(path, report, figures)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text()


def test_figures_are_pngs(figures):
    kinds = ("best", "median", "worst")
    assert set(figures) == {
        "loss_pretrain", "loss_finetune", "pck", "error_per_joint", "view_pairs",
        *(f"predictions_{kind}" for kind in kinds),
    }  # fmt: skip
    for name, png in figures.items():
        assert png.startswith(b"\x89PNG"), name
        image = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
        assert image.std() > 5, f"{name} is blank"


def test_the_same_figures_again_are_the_same_bytes(report, figures):
    again = make_figures(report._replace(evaluation=None, views=None))
    assert again["loss_pretrain"] == figures["loss_pretrain"]


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
    plain = [name for name in report.results if not name.endswith("_reason")]
    assert sorted(names) == sorted(plain)


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
    config = {**CONFIG, lacks: {"_target_": None}}
    if lacks == "head":
        results = not_applicable(tuple(summarise(report.evaluation)), "head=none")
        curves = {name: points for name, points in CURVES.items() if name.startswith("pretrain")}
        cut = report._replace(results=results, curves=curves, evaluation=None, images={})
        expected = {"loss_pretrain", "view_pairs"}
    else:
        curves = {name: points for name, points in CURVES.items() if name.startswith("finetune")}
        cut = report._replace(curves=curves, views=None, images={})
        expected = {"loss_finetune", "pck", "error_per_joint"}
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


def test_samples_are_the_true_extremes(evaluation):
    errors, valid = aligned(evaluation).values, evaluation.xyz_valid
    means = [float(e[v].mean()) for e, v in zip(errors, valid, strict=True)]
    order = sorted(range(N), key=means.__getitem__)
    chosen = samples_to_draw(evaluation, each=2)
    assert chosen["best"] == order[:2]
    assert chosen["worst"] == order[:-3:-1]
    assert chosen["median"] == order[6:8]


def test_samples_by_2d_error_without_3d_labels(evaluation):
    flat = evaluation._replace(xyz_valid=torch.zeros(N, J, dtype=torch.bool))
    flat.uv[3] += 30.0
    try:
        assert samples_to_draw(flat, each=1)["worst"] == [3]
        names = set(make_figures(_only(flat)))
    finally:
        flat.uv[3] -= 30.0
    assert "pck" not in names
    assert {"pck2d", "error_per_joint", "predictions_worst"} <= names


def _only(evaluation: Evaluation) -> ReportInput:
    rows = samples_to_draw(evaluation)["worst"]
    images = {int(evaluation.index[row]): np.zeros((96, 96, 3), np.uint8) for row in rows}
    return ReportInput(CONFIG, "", {}, {}, evaluation, images, None)


def test_hands_with_few_labels_are_no_best_ones(evaluation):
    valid = evaluation.xyz_valid.clone()
    valid[7, 2:] = False  # two joints align perfectly
    assert samples_to_draw(evaluation._replace(xyz_valid=valid), each=1)["best"] != [7]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_samples(evaluation, count):
    few = Evaluation._make([*(field[:count] for field in evaluation[:-2]), *evaluation[-2:]])
    chosen = samples_to_draw(few)
    assert [len(rows) for rows in chosen.values()] == [min(count, 1)] * 3
    if count == 3:
        assert len({rows[0] for rows in chosen.values()}) == 3
    if count < 2:
        assert ("pck" in make_figures(_only(few))) == (count > 0)


@pytest.mark.parametrize("shape", [(96, 96), (96, 160), (240, 96), (700, 900)])
def test_skeleton_is_drawn_at_the_joints_alone_where_labelled(shape):
    image = np.full((*shape, 3), 128, dtype=np.uint8)
    lattice = np.stack(np.divmod(np.random.default_rng(0).permutation(J), 5), axis=1) / 4 - 0.5
    uv = np.array(shape[::-1]) / 2 + 0.7 * min(shape) * lattice
    valid = np.ones(J, dtype=bool)
    valid[4] = False
    uv[4] = np.nan
    unknown = np.full((J, 2), np.nan)
    picture = overlay(image, uv, unknown, valid, size=500)
    _, to_picture = enlarge(image, unknown, size=500)
    places = np.rint(maps.apply(to_picture, uv)[valid]).astype(int)
    for (u, v), joint in zip(places, np.flatnonzero(valid), strict=True):
        near = picture[v - 2 : v + 3, u - 2 : u + 3].reshape(-1, 3) / 255
        assert np.abs(near - to_rgb(joint_colour(joint))).sum(1).min() < 0.03, joint
    nothing = overlay(image, uv, uv, np.zeros(J, dtype=bool), size=500)
    np.testing.assert_array_equal(nothing, enlarge(image, unknown, size=500)[0])


def test_enlarged_image_lies_where_its_map_says():
    image = np.zeros((96, 128, 3), dtype=np.uint8)
    image[40, 70] = 255
    picture, to_picture = enlarge(image, np.array([[60.0, 30.0], [80.0, 50.0]]), size=480)
    v, u = np.argwhere(picture[..., 0] == picture[..., 0].max()).mean(axis=0)
    expected = maps.apply(to_picture, np.array([[70.0, 40.0]]))[0]
    assert np.abs(expected - (u, v)).max() < 1


def test_moved_view_lies_on_view_two(views):
    target = relative_map(views.params, SIZE)
    for pair in range(len(views.index)):
        first, second, moved = (
            picture.astype(float) for picture in pair_images(views, target, pair)
        )
        inside = np.s_[SIZE // 3 : -SIZE // 3, SIZE // 3 : -SIZE // 3]
        assert np.abs(moved - second)[inside].mean() < 0.4 * np.abs(first - second)[inside].mean()


def test_target_affine_is_the_relative_map(views):
    affine = views.params.affine.double().numpy()
    expected = maps.relative(affine[:, 0], affine[:, 1])
    target = relative_map(views.params, SIZE)
    found = np.stack([target_affine(target, pair, SIZE) for pair in range(len(expected))])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_values_of_steps_are_a_figure_of_their_own(report, figures):
    steps = {"finetune/step_loss": [(0, 2.0), (9, float("nan"))], "finetune/step_other": [(0, 1.0)]}
    drawn = make_figures(report._replace(steps=steps))
    assert set(drawn) - set(figures) == {"steps_finetune"}  # nothing of pre-training
    image = cv2.imdecode(np.frombuffer(drawn["steps_finetune"], np.uint8), cv2.IMREAD_COLOR)
    assert image.std() > 5


def test_curves_stand_beside_their_chance_lines():
    panels = {panel.name: panel for panel in stage_panels(CURVES, "pretrain")}
    assert list(panels) == ["loss", "rotation_error_deg", "top1"]
    assert panels["rotation_error_deg"].chance == [(0, 30.0), (1, 30.0)]
    assert panels["top1"].chance == [(0, 0.02), (1, 0.02)]


def test_essence_names_the_parts():
    assert essence(CONFIG) == "synthetic × resnet18 × relative × heatmap"
    youtube = {"dataset": {"_target_": "handpose.data.sources.youtube.YouTube"}}
    both = {**CONFIG, "pretrain": youtube, "finetune": {"dataset": CONFIG["dataset"]}}
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
    report = ReportInput(CONFIG, "", results, {}, None, {}, None)
    write_report(tmp_path / "report.html", report, {})
    page = (tmp_path / "report.html").read_text()
    assert page.count("<small>worse than the mean pose</small>") == marks


def test_the_main_results_take_a_line_each_on_a_terminal_of_80_columns(report, tmp_path: Path):
    worse = {**report.results, "pa_epe_mm": 142.44, "mean_pose_pa_epe_mm": 17.35}
    lines = printed(worse, tmp_path, width=80)
    assert lines[2].split("  ")[0] == "Aligned 3D error (PA)"
    assert "×8.21 worse" in lines[2]
    assert [line.split("  ")[0] for line in lines[3:5]] == ["Root-relative 3D error", "2D error"]
