"""The figures of a report: curves, samples, skeletons, view pairs."""

import cv2
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from handpose.evaluation.evaluation import Evaluation
from handpose.evaluation.joint_errors import aligned
from handpose.geometry import affine as maps
from handpose.objectives.relative import relative_map
from handpose.report.curves import Panel, _draw_health_panel, _draw_panel, stage_panels
from handpose.report.page import ReportInput, make_figures
from handpose.report.predictions import samples_to_draw
from handpose.report.skeletons import enlarge, overlay
from handpose.report.style import joint_colour, new_panels
from handpose.report.view_figures import pair_images, target_affine

N, J, SIZE = 15, 21, 32  # of the fixtures


def test_figures_are_pngs(figures):
    kinds = ("best", "median", "worst")
    assert set(figures) == {
        "loss_pretrain", "loss_finetune", "pck", "reliability", "error_per_joint", "view_pairs",
        *(f"predictions_{kind}" for kind in kinds),
    }  # fmt: skip
    for name, png in figures.items():
        assert png.startswith(b"\x89PNG"), name
        image = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_COLOR)
        assert image.std() > 5, f"{name} is blank"


@pytest.mark.parametrize(("value", "others"), [(0.77, 0.62), (101.0, 100.0), (0.0, 0.0)])
def test_a_single_epoch_has_whole_ticks_and_a_label_below_the_title(value: float, others: float):
    points = [(0, value)]
    panels = {"loss": stage_panels({"a/train_loss": points, "a/val_loss": points}, "a")[0]}
    panels["top1"] = Panel("top1", points, points, [(0, others)])
    figure, plots = new_panels(3, columns=3, height=2.7)
    _draw_panel(plots[0], panels["loss"])
    _draw_panel(plots[1], panels["top1"])
    _draw_health_panel(plots[2], "alignment", [(1, value)], others)
    figure.draw_without_rendering()
    for axes in plots:
        assert [tick for tick in axes.get_xticks() if tick % 1] == []
        label, title = axes.texts[0], axes._left_title
        assert label.get_window_extent().y1 < title.get_window_extent().y0 - 2
        assert label.get_window_extent().y1 <= axes.get_window_extent().y1 + 1


def test_the_same_figures_again_are_the_same_bytes(report, figures):
    again = make_figures(report._replace(evaluation=None, views=None))
    assert again["loss_pretrain"] == figures["loss_pretrain"]


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
    return ReportInput({}, "", {}, {}, evaluation, images, None)


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


def test_curves_stand_beside_their_chance_lines(report):
    panels = {panel.name: panel for panel in stage_panels(report.curves, "pretrain")}
    assert list(panels) == ["loss", "rotation_error_deg", "top1"]
    assert panels["rotation_error_deg"].chance == [(0, 30.0), (1, 30.0)]
    assert panels["top1"].chance == [(0, 0.02), (1, 0.02)]
