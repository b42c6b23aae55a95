"""Sample -> V views and their parameters; Sample -> Target. V views, J = 21, S side of the crop."""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from handpose.augment.appearance import (
    NOWHERE,
    Appearance,
    matrices_of,
    render,
    sample_appearance,
)
from handpose.augment.geometric import Pyramid, Warp, plain_affine, plan_warps, sample_affine
from handpose.augment.reach import onto_crops, reach_of
from handpose.augment.settings import Augmentation
from handpose.geometry import affine as maps
from handpose.geometry.camera import map_intrinsics, mirror_intrinsics
from handpose.records import Column, Crop, Sample, Target, ViewParams, Views
from handpose.skeleton import FREIHAND_SCALE_BONE, NUM_JOINTS, REFERENCE_BONES, ROOT

# Of the columns of `Appearance`, in the order it shares with `ViewParams`.
_DTYPES = (np.float32, np.bool_, np.float32, np.float32, np.int64, np.bool_, np.int64, np.bool_)

_IDENTITY = np.eye(2, 3)
_IDENTITY.flags.writeable = False


class RightHand(NamedTuple):
    """A sample's labels as a right hand's, and the map that mirrors its image."""

    affine: np.ndarray  # (2, 3) px of the source -> px of the (mirrored) source
    uv: np.ndarray  # (J, 2)
    xyz: np.ndarray  # (J, 3)
    K: np.ndarray  # (3, 3)
    box: np.ndarray  # (3,)


def as_right_hand(sample: Sample) -> RightHand:
    """Mirrors a left hand's labels, u' = W - 1 - u, x' = -x; the pixels follow in the warp."""
    if sample.side == "right":
        return RightHand(_IDENTITY, sample.uv, sample.xyz, sample.K, sample.box)
    width = sample.crop.width if sample.crop else sample.image.shape[1]
    mirror = maps.mirror(width)
    uv = np.where(sample.uv_valid[:, None], maps.apply(mirror, sample.uv), 0.0)
    box = np.append(maps.apply(mirror, sample.box[None, :2])[0], sample.box[2])
    known = not np.array_equal(sample.K, np.eye(3))
    K = mirror_intrinsics(sample.K, width) if known else sample.K
    return RightHand(mirror, uv, sample.xyz * [-1, 1, 1], K, box)


class Drawn(NamedTuple):
    """All that was drawn for V views of a sample, before any pixel is touched."""

    hand: RightHand
    crops: list[np.ndarray]  # (2, 3) float64, px of the hand's (mirrored) source -> px of the view
    affines: list[np.ndarray]  # (2, 3) float64, px of the source -> px of the view
    plain: np.ndarray  # (2, 3) float64, px of the source -> px of the crop, nothing drawn
    looks: list[Appearance]


def draw_views(
    sample: Sample,
    settings: Augmentation,
    *,
    rng: np.random.Generator,
    size: int,
    num_views: int = 2,
) -> Drawn:
    """Draws V independently augmented views of a sample; needs no pixels.

    Args:
        sample: One unaugmented hand; without pixels, its `crop` states the size of its source.
        settings: Switches and ranges.
        rng: The one source of random numbers.
        size: S in px.
        num_views: V.
    """
    hand = as_right_hand(sample)
    crops, affines, looks = [], [], []
    for _ in range(num_views):
        crop = sample_affine(rng, settings, hand.box, size)
        affine = maps.compose(crop, hand.affine) if sample.side == "left" else crop
        joints = _cut_out_joints(sample, affine, settings)
        looks.append(sample_appearance(rng, settings, size, joints))
        crops.append(crop)
        affines.append(affine)
    plain = plain_affine(settings, hand.box, size)
    if sample.side == "left":
        plain = maps.compose(plain, hand.affine)
    return Drawn(hand, crops, affines, plain, looks)


class Plan(NamedTuple):
    """How the drawn views of a sample are made from its crop."""

    crop: Crop | None
    warps: list[Warp]
    looks: list[Appearance]
    colours: list[np.ndarray | None]  # of the looks


def plan_views(drawn: Sequence[Drawn], crops: Sequence[Crop | None]) -> list[Plan]:
    """Returns how the drawn views of samples are made from their crops; needs no pixels.

    Args:
        drawn: What was drawn for each sample.
        crops: Where each image lies in its source; None: it is the whole source.
    """
    pairs = list(zip(drawn, crops, strict=True))
    affines = np.array([affine for one in drawn for affine in one.affines])
    wholes = [_IDENTITY if crop is None else crop.affine for _, crop in pairs]
    repeated = np.repeat(wholes, [len(one.looks) for one in drawn], axis=0)
    warps = iter(plan_warps(onto_crops(affines, repeated)))
    colours = iter(matrices_of([look for one in drawn for look in one.looks]))
    return [
        Plan(crop, [*islice(warps, len(own.looks))], own.looks, [*islice(colours, len(own.looks))])
        for own, crop in pairs
    ]


def render_plan(image: np.ndarray, plan: Plan, out: np.ndarray) -> None:
    """Renders planned views into an array.

    Args:
        image: (H, W, 3) uint8, the crop of the plan.
        plan: How its views are made.
        out: (V, 3, S, S) uint8, overwritten.
    """
    source, size = Pyramid(image), out.shape[-1]
    views = zip(out, plan.warps, plan.looks, plan.colours, strict=True)
    for planes, warp, look, colour in views:
        cv2.split(render(source.render(warp, size), look, colour), [*planes])


def render_views(sample: Sample, drawn: Drawn, out: np.ndarray) -> None:
    """Renders the drawn views into an array.

    Args:
        sample: The hand with the pixels that its views can show (see `reach.Reach.crop`).
        drawn: What was drawn for it.
        out: (V, 3, S, S) uint8, overwritten.
    """
    render_plan(sample.image, plan_views([drawn], [sample.crop])[0], out)


def make_views(
    sample: Sample,
    settings: Augmentation,
    *,
    rng: np.random.Generator,
    size: int,
    num_views: int = 2,
    identity: int = 0,
    index: int = 0,
) -> Views:
    """Makes V independently augmented views of a sample; `Views.pose` stays empty.

    Reads no labels but the side (left hands are mirrored). `crop_by=joints` and
    `cut_out_at=joint` use the joints too.

    Args:
        sample: One unaugmented hand.
        settings: Switches and ranges.
        rng: The one source of random numbers.
        size: S in px.
        num_views: V.
        identity: Equal for samples of the same pose.
        index: Of the sample in its dataset.
    """
    cropped = reach_of([settings], size).crop(sample)
    drawn = draw_views(cropped, settings, rng=rng, size=size, num_views=num_views)
    image = np.empty((num_views, 3, size, size), dtype=np.uint8)
    render_views(cropped, drawn, image)
    same = np.full((2, num_views), [[identity], [index]], dtype=np.int64)
    return assemble_views(image, [drawn], identity=same[0], index=same[1])


def assemble_views(
    image: Column, drawn: Sequence[Drawn], *, identity: np.ndarray, index: np.ndarray
) -> Views:
    """Joins the images of N views and what was drawn for them; `Views.pose` stays empty.

    Args:
        image: (N, 3, S, S) uint8.
        drawn: Of the samples, in the order of their views.
        identity: (N,) int64, equal for samples of the same pose.
        index: (N,) int64, of the samples in their dataset.

    Returns:
        Columns with one row per view (N, ...).
    """
    return Views(
        image=image,
        params=_stack_params(drawn),
        identity=identity,
        index=index,
        pose=np.zeros((len(index), 0), dtype=np.float32),
        pose_valid=np.zeros(len(index), dtype=bool),
    )


def _cut_out_joints(sample: Sample, affine: np.ndarray, settings: Augmentation) -> np.ndarray:
    """The labelled joints (N, 2) in px of the view if a cut-out needs them, else none."""
    if not settings.reads_joints:
        return NOWHERE
    return maps.apply(affine, sample.uv[sample.uv_valid])


def _stack_params(drawn: Sequence[Drawn]) -> ViewParams:
    """One row per view, in the dtypes that `ViewParams` states."""
    looks = [look for one in drawn for look in one.looks]
    columns = zip(_DTYPES, zip(*looks, strict=True), strict=True)
    rows: list[np.ndarray] = [np.array(values, dtype=dtype) for dtype, values in columns]
    affines = [affine for one in drawn for affine in one.affines]
    plains = [one.plain for one in drawn for _ in one.looks]
    return ViewParams(np.array(affines, np.float32), np.array(plains, np.float32), *rows)


def make_target(
    sample: Sample,
    settings: Augmentation,
    *,
    rng: np.random.Generator,
    size: int,
    reference_bone: str = "index",
    index: int = 0,
) -> Target:
    """Makes an augmented crop of a sample with its labels: K' = A K, joints' = A joints.

    xyz stays in the camera frame. The crop's K, not upper-triangular in general, projects it to the
    crop's px.

    Args:
        sample: One unaugmented hand.
        settings: Switches and ranges.
        rng: The one source of random numbers.
        size: S in px.
        reference_bone: A key of `REFERENCE_BONES`.
        index: Of the sample in its dataset.
    """
    cropped = reach_of([settings], size).crop(sample)
    drawn = draw_views(cropped, settings, rng=rng, size=size, num_views=1)
    image = np.empty((1, 3, size, size), dtype=np.uint8)
    render_views(cropped, drawn, image)
    return assemble_target(image[0], cropped, drawn, reference_bone=reference_bone, index=index)


def assemble_target(
    image: np.ndarray, sample: Sample, drawn: Drawn, *, reference_bone: str, index: int
) -> Target:
    """Joins the image of one view and the labels in its frame.

    Args:
        image: (3, S, S) uint8.
        sample: The hand.
        drawn: Of one view.
        reference_bone: A key of `REFERENCE_BONES`.
        index: Of the sample in its dataset.
    """
    hand, crop = drawn.hand, drawn.crops[0]
    z, z_valid, bone = _relative_depth(hand.xyz, sample.xyz_valid, REFERENCE_BONES[reference_bone])
    scale = sample.scale or _length(hand.xyz, sample.xyz_valid, FREIHAND_SCALE_BONE)
    uv = np.where(sample.uv_valid[:, None], maps.apply(crop, hand.uv), 0.0)
    K_valid = not np.array_equal(sample.K, np.eye(3))
    return Target(
        image=image,
        uvz=np.concatenate((uv, z[:, None]), axis=1).astype(np.float32),
        xyz=np.where(sample.xyz_valid[:, None], hand.xyz, 0.0).astype(np.float32),
        K=(map_intrinsics(crop, hand.K) if K_valid else hand.K).astype(np.float32),
        bone=np.float32(bone),
        granted_scale=np.float32(scale or 1.0),
        scale_valid=np.bool_(scale > 0),
        uv_valid=sample.uv_valid,
        xyz_valid=sample.xyz_valid,
        z_valid=z_valid,
        K_valid=np.bool_(K_valid),
        affine=drawn.affines[0].astype(np.float32),
        is_left=np.bool_(sample.side == "left"),
        index=np.int64(index),
    )


def _length(xyz: np.ndarray, valid: np.ndarray, bone: tuple[int, int]) -> float:
    """The bone's length in metres, 0 if an end is unlabelled."""
    start, end = bone
    return float(np.linalg.norm(xyz[end] - xyz[start])) if valid[start] and valid[end] else 0.0


def _relative_depth(
    xyz: np.ndarray, valid: np.ndarray, bone: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, float]:
    """z (J,) in reference bones from the root, its validity (J,), and the bone (m; 1: unknown)."""
    length = _length(xyz, valid, bone)
    if length == 0 or not valid[ROOT]:
        return np.zeros(NUM_JOINTS), np.zeros(NUM_JOINTS, dtype=bool), 1.0
    return np.where(valid, (xyz[:, 2] - xyz[ROOT, 2]) / length, 0.0), valid, length
