"""A trained model on images of any size, with the crops of its evaluation.

B images, J = 21 joints, S side of the crop in px.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.utils.data import default_collate

from handpose.augment.settings import Augmentation
from handpose.augment.views import make_target
from handpose.data.base import joint_box
from handpose.data.recropped import recrop
from handpose.detect.base import Detector
from handpose.evaluation.evaluation import NO_MEAN_POSES, Evaluation, collect
from handpose.geometry.camera import back_project
from handpose.heads.confidence import NO_CONFIDENCE
from handpose.media.frames import as_rgb_images
from handpose.model import PoseModel
from handpose.pipeline.evaluate_run import open_finished
from handpose.pipeline.parts import build_augmentation
from handpose.predict.fast_network import FastNetwork
from handpose.predict.hand import (
    NOTHING,
    Given,
    Hand,
    as_sample,
    assumptions,
    check_given,
    detected,
    mean_bone,
)
from handpose.records import Sample, Target
from handpose.skeleton import REFERENCE_BONES, ROOT

Image = np.ndarray | PIL.Image.Image | Path | str
_MIN_LENGTH = 1e-3  # px: shortest reference bone, of a collapsed prediction


class Crop(NamedTuple):
    """How a model's crops are made."""

    augmentation: Augmentation  # of the evaluation
    image_size: int  # S
    reference_bone: str
    by_joints: bool  # the boxes of the training were made of the joints


class HandPose:
    """Predicts hands in images.

    Args:
        model: model of a fine-tuned run; is put into evaluation mode.
        crop: how its crops are made.
        device: where it runs.
    """

    def __init__(self, model: PoseModel, crop: Crop, device: torch.device) -> None:
        self.model = model.eval().to(device)
        self.crop = crop
        self.device = device
        self._network = FastNetwork(self.model, crop.image_size)

    @classmethod
    def from_run(cls, run_dir: Path | str, *, device: str = "auto") -> "HandPose":
        """Loads the model of a finished run; its dataset is not needed.

        Args:
            run_dir: the run's directory.
            device: "cpu", "cuda", "cuda:1", ..., or "auto" for a GPU if there is one.

        Raises:
            ValueError: the run does not exist, is unfinished or corrupt, its configuration names a
                class that is not allowed, or the device does not exist.
        """
        place = find_device(device)
        cfg, model = open_finished(Path(run_dir))
        dataset = cfg.finetune.dataset
        crop = Crop(
            augmentation=build_augmentation(cfg.evaluate.augment),
            image_size=dataset.image_size,
            reference_bone=cfg.reference_bone,
            by_joints=dataset.crop_by == "joints",
        )
        return cls(model, crop, place)

    def predict(
        self, images: Sequence[Image], given: Given | Sequence[Given] = NOTHING
    ) -> list[Hand]:
        """Predicts the hand in each image, in one batch; in two passes where no box is given.

        Args:
            images: each a (H, W, 3) uint8 RGB array, a (H, W) uint8 grey array, a PIL image or the
                path of a file. Files and PIL images are turned upright by their EXIF.
            given: what is known of all hands, or a list with an entry for each.

        Raises:
            TypeError: an image of another kind (float, 16 bits, RGBA, a tensor), or not a list.
            ValueError: a given value is wrong, an image is too small, a file cannot be read, or
                the number of images and of given values differ.
        """
        pixels = as_rgb_images(images)
        each = [given] * len(pixels) if isinstance(given, Given) else list(given)
        if len(each) != len(pixels):
            raise ValueError(f"{len(pixels)} images and {len(each)} given; give one for each image")
        for one in each:
            check_given(one)
        if not pixels:
            return []
        each = self.find_boxes(pixels, each)
        samples = [as_sample(image, one) for image, one in zip(pixels, each, strict=True)]
        found = self._evaluate(samples, scales := self._scales(each))
        xyz = _root_relative(found, scales, REFERENCE_BONES[self.crop.reference_bone])
        return [self._hand(row, found, xyz[row], one, samples[row]) for row, one in enumerate(each)]

    def predict_hands(
        self,
        images: Sequence[Image],
        hands: Detector | Sequence[Sequence[Given]],
        given: Given = NOTHING,
    ) -> list[list[Hand]]:
        """Predicts any number of hands in each image, all of them in one batch.

        Args:
            images: as for `predict`.
            hands: what is known of each hand of each image, or a detector that finds box and side
                (`handpose.detect.loading.load_detector`).
            given: what is known of all hands that a detector finds.

        Returns:
            The hands of each image, in the order given; an empty list for an image without any.
        """
        pixels = as_rgb_images(images)
        if callable(hands):
            hands = [detected(hands(image), given, image.shape) for image in pixels]
        if len(hands) != len(pixels):
            raise ValueError(f"{len(pixels)} images and hands of {len(hands)}; give both for each")
        repeated = [image for image, own in zip(pixels, hands, strict=True) for _ in own]
        flat = iter(self.predict(repeated, [one for own in hands for one in own]))
        return [list(islice(flat, len(own))) for own in hands]

    def use_all_cores(self) -> None:
        """Divides batches among threads on a CPU; sets torch's number of threads."""
        if self.device.type == "cpu":
            self._network.use_all_cores()

    def no_confidence(self) -> str | None:
        """Returns why the model gives no confidence, or None if it does."""
        blank = np.zeros((self.crop.image_size, self.crop.image_size, 3), np.uint8)
        (hand,) = self.predict([blank])
        return hand.confidence_note if hand.confidence is None else None

    def find_boxes(self, images: Sequence[np.ndarray], given: Sequence[Given]) -> list[Given]:
        """Fills in missing boxes by a first pass over the centre square of their images.

        Args:
            images: each (H, W, 3) uint8 RGB.
            given: what is known of each hand.

        Returns:
            The same with a box each; `box_note` says how it was found.
        """
        each = list(given)
        rows = [row for row, one in enumerate(each) if one.box is None]
        samples = [as_sample(images[row], each[row]) for row in rows]
        if not samples:
            return each
        uv = self._evaluate(samples, self._scales([each[row] for row in rows])).uv.numpy()
        for row, sample, joints in zip(rows, samples, uv, strict=True):
            box = recrop(sample, joint_box(joints)).box
            u, v, side = map(float, box)
            note = self._box_note(has_hand=not (box == sample.box).all())
            each[row] = each[row]._replace(box=(u, v, side), box_note=note)
        return each

    def _scales(self, given: list[Given]) -> Tensor:
        """Lengths (B,) of the reference bone, metres."""
        return torch.tensor([one.scale or mean_bone(self.crop.reference_bone) for one in given])

    @torch.inference_mode()
    def _evaluate(self, samples: list[Sample], scales: Tensor) -> Evaluation:
        """One pass over the samples' boxes, as in an evaluation; `scales` (B,) metres."""
        targets = [
            make_target(
                sample,
                self.crop.augmentation,
                rng=np.random.default_rng(0),
                size=self.crop.image_size,
                reference_bone=self.crop.reference_bone,
                index=index,
            )
            for index, sample in enumerate(samples)
        ]
        batch: Target = default_collate(targets)._replace(bone=scales)
        prediction = self._network(batch.image.to(self.device), batch.K.to(self.device))
        return collect(prediction, batch, NO_MEAN_POSES, reference_bone=self.crop.reference_bone)

    def _hand(
        self, row: int, found: Evaluation, xyz: Tensor, given: Given, cropped: Sample
    ) -> Hand:
        """The hand of one row; `xyz` (J, 3) metres from the wrist."""
        bone, uv = self.crop.reference_bone, found.uv[row]
        has_confidence = found.confidence.numel() > 0
        is_metric = given.K is not None and given.scale is not None
        wrist = back_project(
            torch.from_numpy(cropped.K).double(), uv[[ROOT]], found.root_depth[row, None] / 1000
        )
        return Hand(
            uv=uv.numpy(),
            xyz=xyz.numpy(),
            camera_xyz=(wrist + xyz).numpy() if is_metric else None,
            box=cropped.box,
            side=cropped.side,
            reference_bone=bone,
            scale=given.scale or mean_bone(bone),
            joint_confidence=found.confidence[row].numpy() if has_confidence else None,
            confidence=float(found.hand_confidence[row]) if has_confidence else None,
            confidence_note=self.model.confidence_note if has_confidence else NO_CONFIDENCE,
            assumed=assumptions(given, reference_bone=bone),
            score=given.score,
        )

    def _box_note(self, *, has_hand: bool) -> str:
        """Where a box came from that was not given."""
        if not has_hand:
            return "the image's centre square, a first pass over it found no hand"
        warning = "" if self.crop.by_joints else "; the model was trained on boxes of another kind"
        return f"around the joints that a first pass over the centre square found{warning}"


def find_device(name: str) -> torch.device:
    """Returns the device of that name; "auto" is a GPU if there is one.

    Raises:
        ValueError: this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name}: {str(error).splitlines()[0]}") from None
    return device


def _root_relative(found: Evaluation, scales: Tensor, bone: tuple[int, int]) -> Tensor:
    """(B, J, 3) metres from the wrist: in the camera, or without one by weak perspective."""
    px = found.px_xyz - found.px_xyz[:, ROOT, None]
    length = (px[:, bone[1]] - px[:, bone[0]]).norm(dim=-1).clamp(min=_MIN_LENGTH)
    weak = px * (scales.double() / length)[:, None, None]
    return torch.where(found.K_valid[:, None, None], found.xyz / 1000, weak)
