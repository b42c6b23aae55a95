"""The records that flow through the program, with every shape, unit and frame.

B batch, V views, J = 21 joints (order: `handpose.skeleton`), S side of the square crop in px,
H, W of an image. Image frame: px, u right, v down, integers are pixel centres. Camera frame:
metres, x right, y down, z forward. uvz is the 2.5D pose: (u, v) in px of the crop and
z = (depth - root depth) / reference bone.

Inside the model every hand is a right hand: a left hand is mirrored, and `side` says so.
A missing label is 0 with its `valid` False; a missing K is the identity, a missing bone 1.
They are NamedTuples, which `default_collate` and Lightning's device transfer accept.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

Side = Literal["left", "right"]
Column = Any  # np.ndarray in a data worker, Tensor once collated


class Crop(NamedTuple):
    """Where the image of a `Sample` lies in its source image."""

    affine: np.ndarray  # (2, 3) float64, px of the source image -> px of `Sample.image`
    width: int  # of the source image, px
    height: int


class Sample(NamedTuple):
    """One unaugmented hand in the frame of its source image: what every dataset yields.

    Labels stay in px of the source image, also if `image` is a crop of it.
    """

    image: np.ndarray  # (H, W, 3) uint8 RGB
    uv: np.ndarray  # (J, 2) float32, px of the source image
    xyz: np.ndarray  # (J, 3) float32, metres, camera frame; without K: px, with a depth in px
    K: np.ndarray  # (3, 3) float32
    uv_valid: np.ndarray  # (J,) bool
    xyz_valid: np.ndarray  # (J,) bool
    box: np.ndarray  # (3,) float32: centre u, centre v, side, in px
    side: Side
    key: str  # image and hand: "freihand/training/rgb/00000012.jpg#0"
    scale: Any = np.float32(0)  # metres: the scale bone's length as stated; 0: that of `xyz`
    crop: Crop | None = None  # where `image` lies in its source; None: it is the whole source


class ViewParams(NamedTuple):
    """All that was drawn for a view before any pixel is touched; enough to repeat it anywhere.

    One row per view (V, ...); after collation (B, V, ...).
    """

    affine: Column  # (V, 2, 3) float32, px of the source image -> px of the view
    plain: Column  # (V, 2, 3) float32, px of the source image -> px of the crop, nothing drawn
    colour: Column  # (V, 4) float32: hue (rad), saturation and gain (factors), bias (0..255)
    grey: Column  # (V,) bool: the three channels replaced by their mean
    blur: Column  # (V,) float32: sigma in px of the view, 0 for none
    noise: Column  # (V,) float32: standard deviation (0..255), 0 for none
    noise_seed: Column  # (V,) int64
    one_sided: Column  # (V,) bool: the negative half of the noise is 0
    cutout: Column  # (V, 5) int64: u0, v0, u1, v1 of a rectangle in px and its grey; u0 = u1: none
    sobel: Column  # (V,) bool: replaced by its gradient magnitude


class Crops(NamedTuple):
    """N source crops, as they are shipped to the device or lie on it."""

    pixels: Column  # (N, P, Q, 3) uint8, each crop in the upper left of its slot; resident: N = 0
    place: Column  # (N,) int64: of each crop in the resident set, if there is one
    size: Column  # (N, 2) int64: width and height of each crop in px


class Recipe(NamedTuple):
    """All that a device needs to make B x V views of N crops, with nothing random left.

    It is computed on the CPU, so that a device never waits for a number it computed itself. Row
    b V + v is view v of sample b. R is the number of rows in a list, which may be 0.
    """

    crop: Column  # (B, V) int64: which of the N crops a view shows
    affine: Column  # (B, V, 2, 3) float32, px of the view -> px of the crop's level
    levels: tuple[Column, ...]  # (R,) int64 each: rows that show their crop halved 0, 1, ... times
    coloured: Column  # (R,) int64: rows with a colour map
    colour: Column  # (R, 3, 4) float32, on (r, g, b, 1); the floor of the result counts
    grey: Column  # (R,) int64: rows whose channels are replaced by their mean
    blurred: Column  # (R,) int64: rows that are blurred
    kernel: Column  # (R, K) float32: their kernels in u and in v, centred, K odd
    noisy: Column  # (R,) int64: rows with noise
    noise: Column  # (R,) float32: its standard deviation (0..255)
    noise_start: Column  # (R,) int64: where it begins in the bank of normal numbers
    one_sided: Column  # (R,) bool: the negative half of the noise is 0
    cut_out: Column  # (R,) int64: rows with a cut-out
    rectangle: Column  # (R, 5) int64: u0, v0, u1, v1 in px and the grey within
    sobel: Column  # (R,) int64: rows that are replaced by their gradient magnitude


class Views(NamedTuple):
    """A pre-training batch of one part of the objective: V views of one unlabelled image.

    With mined positives, V views of images of similar poses.
    """

    image: Column  # (B, V, 3, S, S) uint8
    params: ViewParams  # each (B, V, ...)
    identity: Column  # (B, V) int64: equal for samples of the same pose
    index: Column  # (B, V) int64: of the sample in its dataset
    pose: Column  # (B, V, P) float32: weighs the similarities; P = 0: no weights
    pose_valid: Column  # (B, V) bool: the pose is known, else 0


class Target(NamedTuple):
    """A labelled batch: crops and the truth, in the crop's frame and for right hands."""

    image: Column  # (B, 3, S, S) uint8
    uvz: Column  # (B, J, 3): px of the crop, px of the crop, reference bones
    xyz: Column  # (B, J, 3) metres, camera frame of `K`
    K: Column  # (B, 3, 3) of the crop
    bone: Column  # (B,) metres: length of the reference bone
    granted_scale: Column  # (B,) metres: length of FreiHAND's scale bone, or 1
    scale_valid: Column  # (B,) bool: `granted_scale` is known
    uv_valid: Column  # (B, J) bool
    xyz_valid: Column  # (B, J) bool: the joint is labelled in 3D
    z_valid: Column  # (B, J) bool: the joint, the root and the reference bone are labelled
    K_valid: Column  # (B,) bool
    affine: Column  # (B, 2, 3) px of the source image -> px of the crop, the mirror included
    is_left: Column  # (B,) bool: mirrored
    index: Column  # (B,) int64: of the sample in its dataset


class CropBatch(NamedTuple):
    """A training batch whose pixels the device makes (see `handpose.augment.device`)."""

    crops: Crops
    recipes: dict[str, Recipe]  # by part of the objective; {"": ...} for targets
    batch: Any  # dict[str, Views] or Target, whose images are empty: (0, V, 3, S, S), (0, 3, S, S)


class Prediction(NamedTuple):
    """What a head predicts for a crop, for a right hand, in the crop's frame."""

    uvz: Tensor  # (B, J, 3): px of the crop, px of the crop, reference bones; z of the root is 0
    xyz: Tensor  # (B, J, 3) camera frame, in units of the reference bone
    root_depth: Tensor  # (B,) depth of the root, at which xyz lies, in units of the reference bone
    heatmap: Tensor  # (B, J, h, w), each summing to 1; (B, 0) for heads without heatmaps
    solved_root_depth: Tensor  # (B,) from the reference bone's unit length alone
    is_refined: Tensor  # (B,) bool: `root_depth` is a correction of the solved one
    own_uvz: Tensor  # (B, J, 3) the head's own output: with root=palm joint 0 is the palm
    log_scale: Tensor  # (B, J) log of the Laplace scale of u and v, crop sides; (B, 0) without one
    confidence: Tensor  # (B, J) in 0..1; (B, 0) if the head tells nothing of its error
    hand_confidence: Tensor  # (B,) in 0..1; 0 where `confidence` is empty
    # (B, J, N) log-probability of each bin of u, of v and of z; (B, 0) or (0,) without bins
    log_bins: Tensor = torch.empty(0)


Features = tuple[Tensor, ...]  # fine -> coarse: (B, channels[i], S / strides[i], S / strides[i])
