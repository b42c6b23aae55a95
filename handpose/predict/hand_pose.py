"""A trained model on pictures of any size, cropped and undone as in its evaluation.

B pictures, J = 21 joints, S side of the crop in px.
"""

from collections.abc import Sequence
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
from handpose.evaluation.evaluation import NO_MEAN_POSES, Evaluation, collect
from handpose.geometry.camera import back_project
from handpose.model import PoseModel
from handpose.pipeline import parts
from handpose.pipeline.evaluate_run import open_finished
from handpose.predict.given import NOTHING, Given, as_sample, assumptions, check_given, mean_bone
from handpose.predict.pixels import as_rgb_images
from handpose.predict.result import Hand
from handpose.records import Prediction, Sample, Target
from handpose.skeleton import REFERENCE_BONES, ROOT

Image = np.ndarray | PIL.Image.Image | Path | str
_MIN_LENGTH = 1e-3  # px: a collapsed hand stays one


class Crop(NamedTuple):
    """How a model's crops are made."""

    augmentation: Augmentation  # that of the evaluation
    image_size: int  # S
    reference_bone: str
    by_joints: bool  # whether the boxes of training were those of the joints


class HandPose:
    """Pictures -> hands, one in each picture.

    Args:
        model: of a fine-tuned run; put into evaluation mode.
        crop: how its crops are made.
        device: where it runs.
    """

    def __init__(self, model: PoseModel, crop: Crop, device: torch.device) -> None:
        self.model = model.eval().to(device)
        self.crop = crop
        self.device = device

    @classmethod
    def from_run(cls, run_dir: Path | str, *, device: str = "auto") -> "HandPose":
        """The model of a finished run; its data need not be here.

        Args:
            run_dir: the run's directory.
            device: "cpu", "cuda", "cuda:1", ..., or "auto" for a GPU where there is one.

        Raises:
            ValueError: there is no such run, it is not finished, damaged or refused (its
                configuration names what must not be built), or there is no such device.
        """
        place = find_device(device)
        cfg, model = open_finished(Path(run_dir))
        dataset = cfg.finetune.dataset
        crop = Crop(
            augmentation=parts.build_augmentation(cfg.evaluate.augment),
            image_size=dataset.image_size,
            reference_bone=cfg.reference_bone,
            by_joints=dataset.crop_by == "joints",
        )
        return cls(model, crop, place)

    def predict(
        self, images: Sequence[Image], given: Given | Sequence[Given] = NOTHING
    ) -> list[Hand]:
        """The hand in each image, in one batch; two where a box is not given.

        Args:
            images: each a (H, W, 3) uint8 RGB array, a (H, W) uint8 grey array, a PIL image or the
                path of a file. Files and PIL images are turned upright as their EXIF says.
            given: what is known of them, of all alike or of each.

        Raises:
            TypeError: an image of another kind (float, 16 bits, RGBA, a tensor), or not a list.
            ValueError: what is given contradicts itself, an image is too small, a file cannot be
                read, or there are not as many `given` as images.
        """
        pixels = as_rgb_images(images)
        each = [given] * len(pixels) if isinstance(given, Given) else list(given)
        if len(each) != len(pixels):
            raise ValueError(f"{len(pixels)} images and {len(each)} given; one for each is needed")
        for one in each:
            check_given(one)
        samples = [as_sample(image, one) for image, one in zip(pixels, each, strict=True)]
        if not samples:
            return []
        scales = torch.tensor([one.scale or mean_bone(self.crop.reference_bone) for one in each])
        found = self._look(samples, scales)
        cropped = samples
        if any(one.box is None for one in each):
            boxes = [joint_box(uv) for uv in found.uv.numpy()]
            cropped = [
                recrop(sample, box) if one.box is None else sample
                for sample, box, one in zip(samples, boxes, each, strict=True)
            ]
            found = self._look(cropped, scales)
        xyz = _root_relative(found, scales, REFERENCE_BONES[self.crop.reference_bone])
        return [
            self._hand(row, found, xyz, one, samples[row], cropped[row])
            for row, one in enumerate(each)
        ]

    @torch.no_grad()
    def _look(self, samples: list[Sample], scales: Tensor) -> Evaluation:
        """One pass over the samples' boxes, as an evaluation does it; `scales` (B,) metres."""
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
        on_device = self.model(batch.image.to(self.device), batch.K.to(self.device))
        prediction = Prediction(*(part.cpu() for part in on_device))
        return collect(prediction, batch, NO_MEAN_POSES, reference_bone=self.crop.reference_bone)

    def _hand(
        self,
        row: int,
        found: Evaluation,
        xyz: Tensor,
        given: Given,
        first: Sample,
        cropped: Sample,
    ) -> Hand:
        reference_bone, uv = self.crop.reference_bone, found.uv[row]
        is_metric = given.K is not None and given.scale is not None
        wrist = back_project(
            torch.from_numpy(cropped.K).double(), uv[[ROOT]], found.root_depth[row, None] / 1000
        )
        return Hand(
            uv=uv.numpy(),
            xyz=xyz[row].numpy(),
            camera_xyz=(wrist + xyz[row]).numpy() if is_metric else None,
            box=cropped.box,
            side=cropped.side,
            reference_bone=reference_bone,
            scale=given.scale or mean_bone(reference_bone),
            assumed=assumptions(
                given, reference_bone=reference_bone, box=self._about_box(first, cropped)
            ),
        )

    def _about_box(self, first: Sample, cropped: Sample) -> str:
        """Where a box came from that was not given."""
        if (first.box == cropped.box).all():
            return "the picture's centre square, about which the first pass found no hand"
        warning = "" if self.crop.by_joints else "; the model was trained on boxes of another kind"
        return f"about the joints that a first pass over the centre square found{warning}"


def find_device(name: str) -> torch.device:
    """The device of that name, "auto" being a GPU where there is one.

    Raises:
        ValueError: there is none of that name here.
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
    """(B, J, 3) metres from the wrist: in the camera, or without one under weak perspective."""
    px = found.px_xyz - found.px_xyz[:, ROOT, None]
    length = (px[:, bone[1]] - px[:, bone[0]]).norm(dim=-1).clamp(min=_MIN_LENGTH)
    weak = px * (scales.double() / length)[:, None, None]
    return torch.where(found.K_valid[:, None, None], found.xyz / 1000, weak)
