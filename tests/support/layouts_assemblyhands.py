"""A small dataset of rendered hands in AssemblyHands' official layout."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from layouts import write_json
from layouts_two_hands import TwoHands, two_hands

from handpose.skeleton import INTERHAND_ORDER

SIZE = (192, 96)  # px
CAMERAS = ("HMC_1", "HMC_2")
SEQUENCE = "nusar-2021_action_both_90{number}-a01_90{number}_user_id_2021-02-0{number}"


def write_assemblyhands(
    root: Path, *, frames: int = 4, splits: tuple[str, ...] = ("train", "val")
) -> None:
    """Each split: `frames` frames of two sequences, seen by two cameras.

    The left hand of each third frame has no box.
    """
    for number, split in enumerate(splits):
        data: dict[str, Any] = {"info": {"version": "1.1"}, "images": [], "annotations": []}
        calibration: dict[str, Any] = {}
        joints: dict[str, Any] = {}
        for frame in range(frames):
            sequence = SEQUENCE.format(number=2 * number + frame % 2)
            cameras = calibration.setdefault(sequence, {"intrinsics": {}, "extrinsics": {}})
            points = joints.setdefault(sequence, {})
            hands = two_hands(1000 + 100 * number + 2 * frame, *SIZE)
            world = _add_frame(cameras, points, frame, hands)
            for camera in CAMERAS:
                _add_image(root, data, split, sequence, camera, frame, hands)
                _add_camera(cameras, camera, frame, hands, world)
        folder, start = root / "annotations" / split, f"assemblyhands_{split}"
        write_json(folder / f"{start}_ego_data_v1-1.json", data)
        calib = {"info": "1.1", "calibration": calibration}
        write_json(folder / f"{start}_ego_calib_v1-1.json", calib)
        write_json(folder / f"{start}_joint_3d_v1-1.json", {"info": "1.1", "annotations": joints})


def _add_frame(cameras: Any, points: Any, frame: int, hands: TwoHands) -> np.ndarray:
    """Adds the joints in the world; returns the world's frame before the camera's, (3, 4) mm."""
    random = np.random.default_rng(frame)
    turn, shift = cv2.Rodrigues(random.normal(size=3))[0], random.normal(scale=300, size=3)
    world = np.empty((42, 3))
    for is_left, xyz in hands.xyz.items():
        own = (21 if is_left else 0) + np.array(INTERHAND_ORDER)
        world[own] = (1000 * xyz - shift) @ turn
    points[f"{frame:06d}"] = {"world_coord": world.tolist(), "joint_valid": [1] * 42}
    cameras["extrinsics"][f"{frame:06d}"] = {}
    return np.column_stack((turn, shift))


def _add_camera(cameras: Any, camera: str, frame: int, hands: TwoHands, pose: np.ndarray) -> None:
    """Both cameras see the same picture."""
    cameras["intrinsics"][f"{camera}_mono10bit"] = hands.K.tolist()
    cameras["extrinsics"][f"{frame:06d}"][f"{camera}_mono10bit"] = pose.tolist()


def _add_image(
    root: Path, data: Any, split: str, sequence: str, camera: str, frame: int, hands: TwoHands
) -> None:
    number = len(data["images"])
    name = f"ego_images_rectified/{split}/{sequence}/{camera}/{frame:06d}.jpg"
    path = root / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = cv2.cvtColor(hands.image, cv2.COLOR_RGB2GRAY)
    assert cv2.imwrite(str(path), grey, [cv2.IMWRITE_JPEG_QUALITY, 98])
    image = {"id": number, "file_name": name, "seq_name": sequence, "camera": camera}
    image |= {"frame_idx": frame, "width": SIZE[0], "height": SIZE[1]}
    boxes = {
        "left" if is_left else "right": [*(uv.min(axis=0)), *(uv.max(axis=0))]
        for is_left, uv in hands.uv.items()
    }
    if frame % 3 == 2:
        boxes["left" if hands.second else "right"] = None  # type: ignore[assignment]
    data["images"].append(image)
    data["annotations"].append(
        {
            "id": 500 + number,
            "image_id": number,
            "bbox": {side: box and list(map(float, box)) for side, box in boxes.items()},
            "joint_valid": [1] * 42,
        }
    )
