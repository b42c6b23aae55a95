"""Labels, maps and pixels move together; equal pixels have equal targets."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from blobs import blob_image, centre_of_mass
from torch.utils.data import default_collate
from warped import warped

from handpose.augment.appearance import render, sample_appearance
from handpose.augment.views import make_target, make_views
from handpose.geometry import affine as maps
from handpose.geometry.camera import project
from handpose.objectives.relative import relative_map
from handpose.records import Sample

GEOMETRY = ("rotate", "crop", "random_crop")
ALL = (
    *GEOMETRY,
    *("colour_jitter", "colour_drop", "gaussian_blur", "gaussian_noise", "cut_out", "sobel"),
)


def _target(sample: Sample, settings: object, seed: int, size: int) -> object:
    rng = np.random.default_rng(seed)
    return make_target(sample, settings, rng=rng, size=size, reference_bone="index", index=seed)


@pytest.mark.parametrize(("width", "height"), [(160, 140), (720, 640)])
@pytest.mark.parametrize("side", ["right", "left"])
def test_joint_lies_where_the_image_content_went(
    width: int, height: int, side: str, make_sample: Callable, make_settings: Callable
) -> None:
    """A blob drawn at a joint is found where the joint went: p95 at most 0.02 px."""
    settings, size, errors = make_settings(*GEOMETRY), 128, []
    for seed in range(150):
        sample = make_sample(np.zeros((height, width, 3), np.uint8), side=side, seed=seed)
        joint = sample.uv[seed % 21]
        sample = sample._replace(image=blob_image(width, height, joint, sigma=width / 45))
        target = _target(sample, settings, seed, size)
        moved = target.uvz[seed % 21, :2]
        if (moved > 22).all() and (moved < size - 23).all():
            errors.append(np.abs(centre_of_mass(target.image) - moved).max())
    assert len(errors) > 60
    assert np.percentile(errors, 95) <= 0.02


@pytest.mark.parametrize("side", ["right", "left"])
def test_crop_camera_projects_onto_the_crop_joints(
    side: str, make_sample: Callable, make_settings: Callable
) -> None:
    sample = make_sample(np.zeros((140, 160, 3), np.uint8), side=side)
    for seed in range(20):
        target = _target(sample, make_settings(*GEOMETRY), seed, 64)
        projected = project(target.K.astype(np.float64), target.xyz.astype(np.float64))
        assert np.abs(projected - target.uvz[:, :2]).max() < 0.01
        assert (target.xyz[0, 0] == sample.xyz[0, 0]) == (side == "right")


def _texture(height: int = 150, width: int = 150) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 900, (height, width, 3))
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 5) + 128, 0, 255).astype(np.uint8)


def _pair(sample: Sample, settings: object, seed: int, size: int) -> object:
    rng = np.random.default_rng(seed)
    views = make_views(sample, settings, rng=rng, size=size, num_views=2, identity=0, index=0)
    return default_collate([views])


@pytest.mark.parametrize("side", ["right", "left"])
def test_view_1_under_the_relative_target_is_view_2(
    side: str, make_sample: Callable, make_settings: Callable
) -> None:
    """Rebuilt from (rotation, log scale, shift) alone, the map aligns the views within 1 px."""
    size = 96
    sample = make_sample(_texture(), side=side)
    for seed in range(10):
        views = _pair(sample, make_settings(*GEOMETRY), seed, size)
        target = relative_map(views.params, size)
        sin, cos = (target.rotation[0] * target.log_scale[0].exp()).tolist()
        linear = np.array([[cos, -sin], [sin, cos]])
        centre = np.full(2, (size - 1) / 2)
        shift = target.shift[0].numpy() * size + centre - linear @ centre
        rebuilt = np.hstack((linear, shift[:, None]))
        first, second = (views.image[0, v].numpy().transpose(1, 2, 0) for v in (0, 1))
        moved = cv2.warpAffine(first, rebuilt, (size, size), borderMode=cv2.BORDER_CONSTANT)
        seen = cv2.warpAffine(np.full((size, size), 255, np.uint8), rebuilt, (size, size)) == 255
        seen = cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        assert seen.sum() > 500
        residual = cv2.phaseCorrelate(
            np.where(seen, moved[..., 1], 0).astype(np.float64),
            np.where(seen, second[..., 1], 0).astype(np.float64),
        )[0]
        assert np.hypot(*residual) < 1
        assert np.abs(moved[seen].astype(int) - second[seen]).mean() < 3
        assert np.abs(first[seen].astype(int) - second[seen]).mean() > 6


def test_swapped_views_have_the_inverse_map(make_sample: Callable, make_settings: Callable) -> None:
    sample, settings = make_sample(_texture()), make_settings(*GEOMETRY, "colour_jitter")
    params = _pair(sample, settings, 1, 64).params
    swapped = type(params)(*(column.flip(1) for column in params))
    forth, back = relative_map(params, 64), relative_map(swapped, 64)
    assert torch.allclose(back.rotation, forth.rotation * torch.tensor([-1.0, 1.0]), atol=1e-5)
    assert torch.allclose(back.log_scale, -forth.log_scale, atol=1e-5)
    sin, cos = forth.rotation[0]
    inverse = torch.stack((torch.stack((cos, sin)), torch.stack((-sin, cos))))
    expected = -(inverse @ forth.shift[0]) * (-forth.log_scale[0]).exp()
    assert torch.allclose(back.shift[0], expected, atol=1e-5)
    assert not torch.allclose(back.shift, -forth.shift, atol=1e-3)
    assert torch.allclose(back.colour[0, :3], -forth.colour[0, :3], atol=1e-5)
    gain = forth.colour[0, 2].exp()
    assert torch.allclose(back.colour[0, 3], -forth.colour[0, 3] / gain, atol=1e-3)


def test_an_identical_pair_has_the_identity_as_target(
    make_sample: Callable, make_settings: Callable
) -> None:
    params = _pair(make_sample(_texture()), make_settings(*ALL[:4]), 1, 64).params
    params = type(params)(*(column[:, :1].repeat_interleave(2, 1) for column in params))
    target = relative_map(params, 64)
    assert torch.allclose(target.rotation, torch.tensor([0.0, 1.0]), atol=1e-6)
    for part in (target.log_scale, target.shift, target.colour):
        assert part.abs().max() < 1e-5


@pytest.mark.parametrize(("lost", "entries"), [("colour_drop", 2), ("sobel", 4)])
def test_equal_pixels_have_equal_colour_targets(
    lost: str, entries: int, make_sample: Callable, make_settings: Callable
) -> None:
    """Two pairs that differ only in what grey or Sobel wiped out: same pixels, same target."""
    settings = make_settings("colour_jitter", lost, probability=1.0)
    one = sample_appearance(np.random.default_rng(0), settings, 64)
    hue, saturation, gain, bias = one.colour
    if lost == "sobel":
        bias = bias + 3  # the bias too
    two = one._replace(colour=(-0.5 * hue, 0.7 * saturation, gain, bias))
    image = (_texture()[:64, :64] // 3 + 40).astype(np.uint8)
    assert np.abs(render(image, one).astype(int) - render(image, two)).max() <= 4  # rounding
    sample = make_sample(image)
    params = _pair(sample, settings, 0, 64).params
    colours = torch.tensor([[one.colour, one.colour], [one.colour, two.colour]])
    both = type(params)(*(column.repeat_interleave(2, 0) for column in params))
    targets = relative_map(both._replace(colour=colours), 64)
    assert torch.equal(targets.colour[0], targets.colour[1])
    assert (~targets.colour_valid).sum(1).tolist() == [entries, entries]


def test_colour_target_takes_view_1_to_view_2(
    make_sample: Callable, make_settings: Callable
) -> None:
    """C2 . C1^-1, rebuilt as a matrix from the target, maps view 1's pixels to view 2's."""
    from handpose.augment.appearance import colour_matrix

    image = (_texture() // 4 + 90).astype(np.uint8)  # no channel clips
    settings = make_settings("colour_jitter", saturation=[0.6, 1.0], hue=[-20, 20])
    views = _pair(make_sample(image), settings, 4, 64)
    hue, saturation, gain, bias = relative_map(views.params, 64).colour[0].tolist()
    matrix = colour_matrix(np.array([hue, np.exp(saturation), np.exp(gain), bias]))
    first, second = (views.image[0, v].numpy().transpose(1, 2, 0).astype(float) for v in (0, 1))
    moved = first @ matrix[:, :3].T + matrix[:, 3]
    assert np.abs(moved - second).max() < 6
    assert np.abs(first - second).mean() > 6


def test_parameters_redo_the_view(make_sample: Callable, make_settings: Callable) -> None:
    """`ViewParams` is enough to make the same pixels again."""
    from handpose.augment.appearance import Appearance

    sample, settings = make_sample(_texture()), make_settings(*ALL)
    for seed in range(8):
        views = make_views(
            sample,
            settings,
            rng=np.random.default_rng(seed),
            size=64,
            num_views=2,
            identity=0,
            index=0,
        )
        row = views.params._asdict()
        affine = row.pop("affine")[1].astype(np.float64)
        row.pop("plain")
        look = Appearance(**{name: column[1].tolist() for name, column in row.items()})
        again = render(warped(sample.image, affine, 64), look).transpose(2, 0, 1)
        # float32 maps move a border pixel's interpolation by one grey level at most
        assert np.abs(again.astype(int) - views.image[1]).mean() < 1.0


def test_switches_move_only_themselves(make_sample: Callable, make_settings: Callable) -> None:
    sample = make_sample(_texture())
    with_all = _pair(sample, make_settings(*ALL, probability=1.0), 0, 64).params
    for switch, field in {
        "gaussian_noise": "noise",
        "cut_out": "cutout",
        "gaussian_blur": "blur",
        "colour_jitter": "colour",
        "sobel": "sobel",
        "colour_drop": "grey",
    }.items():
        rest = [name for name in ALL if name != switch]
        without = _pair(sample, make_settings(*rest, probability=1.0), 0, 64).params
        changed = {
            name
            for name, before, after in zip(with_all._fields, with_all, without, strict=True)
            if not torch.equal(before, after)
        }
        assert changed == {field}


def test_unlabelled_values_are_zero_and_never_nan(
    make_sample: Callable, make_settings: Callable
) -> None:
    sample = make_sample(np.zeros((99, 99, 3), np.uint8), side="left")
    nothing = np.zeros(21, dtype=bool)
    nan = np.full((21, 3), np.nan, np.float32)
    sample = sample._replace(
        uv=nan[:, :2], xyz=nan, uv_valid=nothing, xyz_valid=nothing, K=np.eye(3, dtype=np.float32)
    )
    target = _target(sample, make_settings(*GEOMETRY), 0, 64)
    assert not target.K_valid
    assert (target.bone, target.granted_scale) == (1, 1)
    assert np.array_equal(target.K, np.eye(3))
    assert (target.uvz == 0).all()
    assert (target.xyz == 0).all()
    assert not target.z_valid.any()


def test_noise_has_the_stated_deviation(make_settings: Callable) -> None:
    settings = make_settings("gaussian_noise", noise_std=12, probability=1.0)
    grey = np.full((64, 64, 3), 128, np.uint8)
    noisy = render(grey, sample_appearance(np.random.default_rng(0), settings, 64))
    assert abs(noisy.astype(float).std() - 12) < 0.5


def test_one_sided_noise_is_the_papers(make_settings: Callable) -> None:
    """OpenCV's own noise of deviation 25 in uint8; where the sum would wrap, it is clipped."""
    settings = make_settings("gaussian_noise", noise="one_sided", noise_std=25, probability=1.0)
    look = sample_appearance(np.random.default_rng(0), settings, 256)
    added = render(np.full((256, 256, 3), 100, np.uint8), look).astype(float) - 100
    theirs = cv2.randn(np.zeros((256, 3 * 256), np.uint8), 0, 25)
    assert (added.mean(), added.std()) == pytest.approx((10.0, 14.6), abs=0.15)
    assert (added.mean(), added.std()) == pytest.approx((theirs.mean(), theirs.std()), abs=0.15)
    assert render(np.full((64, 64, 3), 250, np.uint8), look).min() == 250


def test_a_cut_out_lies_about_a_labelled_joint_in_one_grey(
    make_sample: Callable, make_settings: Callable
) -> None:
    settings = make_settings(
        *("rotate", "crop", "cut_out"),
        probability=1.0,
        cut_out_at="joint",
        cut_out_fill="grey",
        cut_out_side=(0.1, 0.2),
    )
    size, greys, chosen = 64, set(), set()
    labelled = np.isin(np.arange(21), [2, 7])
    for seed in range(40):
        sample = make_sample(_texture(), side=("right", "left")[seed % 2], seed=seed)
        views = _pair(sample._replace(uv_valid=labelled), settings, seed, size)
        for view in (0, 1):
            u0, v0, u1, v1, grey = views.params.cutout[0, view].tolist()
            affine = views.params.affine[0, view].double().numpy()
            seen = maps.apply(affine, sample.uv[labelled].astype(np.float64))
            if min(u0, v0) > 0 and max(u1, v1) < size:
                off = np.abs(seen - [(u0 + u1) / 2, (v0 + v1) / 2]).max(1)
                assert (off.min() <= 1, u1 - u0) == (True, v1 - v0)
                chosen.add(int(off.argmin()))
            if u0 < u1 and v0 < v1:
                assert (views.image[0, view, :, v0:v1, u0:u1] == grey).all()
                greys.add(grey)
    assert chosen == {0, 1}
    assert len(greys) > 20
    nowhere = sample._replace(uv_valid=np.zeros(21, dtype=bool))
    u0, v0, u1, v1, _ = _pair(nowhere, settings, 0, size).params.cutout[0, 0].tolist()
    assert 0 <= u0 < u1 <= size
    assert 0 <= v0 < v1 <= size


def test_bad_ranges_and_words_are_refused(make_settings: Callable) -> None:
    with pytest.raises(ValueError, match=r"augment\.angle"):
        dataclasses.replace(make_settings(), angle=[45, -45])
    with pytest.raises(ValueError, match=r"augment\.noise=white: give symmetric or one_sided"):
        dataclasses.replace(make_settings(), noise="white")
