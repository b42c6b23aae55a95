"""DexYCB in small: rendered hands before its cameras, in its official layout."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from layouts import Rendered, rendered, save_picture

from handpose.data.sources.dexycb_setups import SEQUENCES, SERIALS, SUBJECTS

WIDTH, HEIGHT = 640, 480
PLACES = (0, 2, 4)  # of a subject's 100 sequences: in s0 the last is for validation or test


def sequence_name(place: int) -> str:
    """The name of a subject's n-th sequence; all are sorted by their time."""
    return f"20200709_{140000 + 100 * (place // 50) + place % 50:06d}"


def camera(serial: str) -> np.ndarray:
    """K (3, 3) of a camera."""
    place = SERIALS.index(serial)
    return np.array([[610.0 + place, 0, 318.0 + place], [0, 612.0 + place, 242.0], [0, 0, 1]])


def seen_by(hand: Rendered, K: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The image (H, W, 3) and uv (21, 2) of a hand in another camera at the same place."""
    to = K @ np.linalg.inv(hand.K)
    image = cv2.warpAffine(hand.image, to[:2], size, borderMode=cv2.BORDER_REPLICATE)
    return image, hand.uv @ to[:2, :2].T + to[:2, 2]


def write_dexycb(
    root: Path,
    *,
    subjects: tuple[int, ...] = (0, 2),
    places: tuple[int, ...] = PLACES,
    serials: tuple[int, ...] = (0, 7),
    frames: int = 2,
    sequences: int = SEQUENCES,
) -> None:
    """Sequences of the right and of the left hand by turns; the other folders are empty.

    The first frame of each sequence is without a hand in the first camera.
    """
    for serial in SERIALS:
        _write_yaml(
            root / f"calibration/intrinsics/{serial}_640x480.yml",
            {"color": _intrinsics(camera(serial)), "depth": _intrinsics(np.eye(3))},
        )
    for subject in subjects:
        for place in range(sequences):
            (root / SUBJECTS[subject] / sequence_name(place)).mkdir(parents=True, exist_ok=True)
        for place in places:
            folder = root / SUBJECTS[subject] / sequence_name(place)
            _write_sequence(folder, subject, place, serials, frames)


def hand_of(subject: int, place: int, frame: int, is_left: bool) -> Rendered:
    """The hand of a frame, in all its cameras."""
    return rendered(2000 + 500 * subject + 10 * place + frame, 224, is_left=is_left)


def _write_sequence(
    folder: Path, subject: int, place: int, serials: tuple[int, ...], frames: int
) -> None:
    is_left = place % 4 == 2
    # Of the hand itself: in a mirrored world it is the other one.
    side = "left" if hand_of(subject, place, 0, is_left).is_left else "right"
    meta = {
        "serials": list(SERIALS),
        "num_frames": frames + 1,
        "ycb_ids": [2, 5],
        "ycb_grasp_ind": 0,
        "mano_sides": [side],
        "mano_calib": ["20200709-subject-01_right"],
    }
    _write_yaml(folder / "meta.yml", meta)
    for serial in (SERIALS[i] for i in serials):
        K = camera(serial)
        for frame in range(frames + 1):
            hand = hand_of(subject, place, frame, is_left)
            image, uv = seen_by(hand, K, (WIDTH, HEIGHT))
            save_picture(folder / serial / f"color_{frame:06d}.jpg", image)
            xyz, uv = (hand.xyz, uv) if frame else (-np.ones((21, 3)), -np.ones((21, 2)))
            write_labels(folder / serial / f"labels_{frame:06d}.npz", xyz, uv)


def write_labels(path: Path, xyz: np.ndarray, uv: np.ndarray, **others: Any) -> None:
    """A file of labels with more in it than joints; `others` replace or add."""
    content: dict[str, Any] = {
        "seg": np.zeros((HEIGHT, WIDTH), np.uint8),
        "pose_y": np.zeros((2, 3, 4), np.float32),
        "pose_m": np.zeros((1, 51), np.float32),
        "joint_3d": xyz[None].astype(np.float32),
        "joint_2d": uv[None].astype(np.float32),
    }
    np.savez_compressed(path, **{k: v for k, v in (content | others).items() if v is not None})


def _intrinsics(K: np.ndarray) -> dict[str, float]:
    return {
        "fx": float(K[0, 0]),
        "fy": float(K[1, 1]),
        "ppx": float(K[0, 2]),
        "ppy": float(K[1, 2]),
    }


def _write_yaml(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
