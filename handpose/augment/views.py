"""Sample -> V views and their parameters; Sample -> Target. V views, J = 21, S side of the crop."""

from typing import NamedTuple

import cv2
import numpy as np

from handpose.augment.appearance import NOWHERE, Appearance, render, sample_appearance
from handpose.augment.geometric import Pyramid, plain_affine, sample_affine
from handpose.augment.reach import onto_crop, reach_of
from handpose.augment.settings import Augmentation
from handpose.geometry import affine as maps
from handpose.geometry.camera import map_intrinsics, mirror_intrinsics
from handpose.records import Sample, Target, ViewParams, Views
from handpose.skeleton import FREIHAND_SCALE_BONE, NUM_JOINTS, REFERENCE_BONES, ROOT

# Of the columns of `Appearance`, in the order it shares with `ViewParams`.
_DTYPES = (np.float32, np.bool_, np.float32, np.float32, np.int64, np.bool_, np.int64, np.bool_)


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
        return RightHand(np.eye(2, 3), sample.uv, sample.xyz, sample.K, sample.box)
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
    plain = maps.compose(plain_affine(settings, hand.box, size), hand.affine)
    return Drawn(hand, crops, affines, plain, looks)


def render_views(sample: Sample, drawn: Drawn, size: int) -> np.ndarray:
    """Renders the drawn views: (V, 3, S, S) uint8.

    Args:
        sample: The hand with the pixels that its views can show (see `reach.Reach.crop`).
        drawn: What was drawn for it.
        size: S in px.
    """
    source, images = Pyramid(sample.image), np.empty((len(drawn.looks), 3, size, size), np.uint8)
    for image, affine, look in zip(images, drawn.affines, drawn.looks, strict=True):
        view = source.warp(onto_crop(affine, sample.crop), size)
        cv2.split(render(view, look), [*image])
    return images


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
    image = render_views(cropped, drawn, size)
    return assemble_views(image, drawn, identity=identity, index=index)


def assemble_views(image: np.ndarray, drawn: Drawn, *, identity: int, index: int) -> Views:
    """Joins the images of V views and what was drawn for them.

    Args:
        image: (V, 3, S, S) uint8.
        drawn: Of V views.
        identity: Equal for samples of the same pose.
        index: Of the sample in its dataset.
    """
    num_views = len(drawn.looks)
    return Views(
        image=image,
        params=_stack_params(drawn),
        identity=np.full(num_views, identity, dtype=np.int64),
        index=np.full(num_views, index, dtype=np.int64),
        pose=np.zeros((num_views, 0), dtype=np.float32),
        pose_valid=np.zeros(num_views, dtype=bool),
    )


def _cut_out_joints(sample: Sample, affine: np.ndarray, settings: Augmentation) -> np.ndarray:
    """The labelled joints (N, 2) in px of the view if a cut-out needs them, else none."""
    if not settings.reads_joints:
        return NOWHERE
    return maps.apply(affine, sample.uv[sample.uv_valid])


def join_views(first: Views, second: Views) -> Views:
    """Joins the views of two samples into one pair.

    Args:
        first: V1 views.
        second: V2 views.

    Returns:
        V1 + V2 views.
    """
    params = ViewParams(*map(_join, first.params, second.params))
    rest = {
        name: _join(getattr(first, name), getattr(second, name))
        for name in Views._fields
        if name != "params"
    }
    return Views(params=params, **rest)


def _join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate((first, second))


def _stack_params(drawn: Drawn) -> ViewParams:
    """One row per view, in the dtypes that `ViewParams` states."""
    columns = zip(_DTYPES, zip(*drawn.looks, strict=True), strict=True)
    rows: list[np.ndarray] = [np.array(values, dtype=dtype) for dtype, values in columns]
    plains = np.array([drawn.plain] * len(drawn.looks), dtype=np.float32)
    return ViewParams(np.array(drawn.affines, dtype=np.float32), plains, *rows)


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
    image = render_views(cropped, drawn, size)[0]
    return assemble_target(image, cropped, drawn, reference_bone=reference_bone, index=index)


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
