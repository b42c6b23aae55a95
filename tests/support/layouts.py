"""Small datasets of rendered hands in the official layouts of the real ones."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import PIL.Image

from handpose.data.synthetic.render import render_right_hand
from handpose.skeleton import INTERHAND_ORDER, MANO_ORDER, MANO_TIP_VERTICES


class Rendered(NamedTuple):
    """A hand of either side before a camera."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    K: np.ndarray  # (3, 3)
    xyz: np.ndarray  # (21, 3) metres
    uv: np.ndarray  # (21, 2) px
    is_left: bool


@cache
def rendered(seed: int, size: int, is_left: bool = False) -> Rendered:
    """The hand of a seed; a left one is the mirror image of the right one."""
    hand = render_right_hand(np.random.default_rng(seed), size=size, orientation="upright")[0]
    K, xyz, uv, image = hand.K.astype(float), hand.xyz.astype(float), hand.uv.copy(), hand.image
    if is_left:
        image, xyz = image[:, ::-1], xyz * [-1, 1, 1]
        uv[:, 0] = size - 1 - uv[:, 0]
        K = K.copy()
        K[0, 2] = size - 1 - K[0, 2]
    return Rendered(np.ascontiguousarray(image), K, xyz, uv, is_left)


def save_picture(path: Path, image: np.ndarray) -> None:
    """(H, W, 3) RGB as a file of the path's kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


def write_json(path: Path, content: Any) -> None:
    """As the datasets ship it: one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_freihand(
    root: Path, *, annotations: int = 8, versions: int = 4, evaluation: int = 4
) -> None:
    """`annotations` x `versions` training pictures and `evaluation` test pictures of 224 px."""
    _write_freihand_split(root, "training", annotations, versions, first=100)
    if evaluation:
        _write_freihand_split(root, "evaluation", evaluation, 1, first=200)


def _write_freihand_split(root: Path, name: str, count: int, versions: int, *, first: int) -> None:
    hands = [rendered(first + i, 224) for i in range(count)]
    for version in range(versions):
        for i, hand in enumerate(hands):
            image = np.clip(hand.image.astype(int) + 12 * version, 0, 255).astype(np.uint8)
            save_picture(root / name / "rgb" / f"{version * count + i:08d}.jpg", image)
    columns = {
        "K": [hand.K.tolist() for hand in hands],
        "xyz": [hand.xyz.tolist() for hand in hands],
        "scale": [float(np.linalg.norm(hand.xyz[10] - hand.xyz[9])) for hand in hands],
    }
    for key, values in columns.items():
        write_json(root / f"{name}_{key}.json", values)


def write_interhand(
    root: Path,
    *,
    layout: str = "v1.0",
    frames: int = 4,
    splits: tuple[str, ...] = ("train", "val", "test"),
) -> None:
    """Each split: `frames` left and right hands by turns, seen by two cameras, and one pair."""
    for number, split in enumerate(splits):
        tables = _interhand_tables(root, layout, split, frames, first=300 + 50 * number)
        folders = [f"annotations/{split}"]
        if layout == "v0.0":
            base = "InterHand2.6M.annotations.5.fps"
            folders = [f"{base}/{kind}" for kind in ("all", "human_annot", "machine_annot")]
        for folder in folders:
            for what, table in tables.items():
                write_json(root / folder / f"InterHand2.6M_{split}_{what}.json", table)
        if layout == "v1.0":
            human = [str(record["id"]) for record in tables["data"]["annotations"][::2]]
            (root / f"annotations/{split}/aid_human_annot_{split}.txt").write_text("\n".join(human))


def _interhand_tables(
    root: Path, layout: str, split: str, frames: int, *, first: int
) -> dict[str, Any]:
    data: dict[str, Any] = {"images": [], "annotations": []}
    camera: dict[str, Any] = {}
    joint_3d: dict[str, Any] = {}
    for capture in range(frames + 1):
        hand = rendered(first + capture, 96, is_left=capture % 2 == 1)
        for name in ("400001", "400002"):
            cameras = camera.setdefault(str(capture), {key: {} for key in _CAMERA})
            _add_interhand_camera(cameras, name, hand)
            points = joint_3d.setdefault(str(capture), {})
            _add_interhand_frame(data, cameras, points, hand, name, capture, split)
            batch = f"InterHand2.6M_5fps_batch{capture % 2}/" if layout == "v0.0" else ""
            path = root / f"{batch}images/{split}" / data["images"][-1]["file_name"]
            save_picture(path, hand.image)
    for record in data["annotations"][-2:]:
        record["hand_type"] = "interacting"
    return {"data": data, "camera": camera, "joint_3d": joint_3d}


_CAMERA = ("campos", "camrot", "focal", "princpt")


def _add_interhand_camera(cameras: dict[str, Any], name: str, hand: Rendered) -> None:
    cameras["focal"][name] = [hand.K[0, 0], hand.K[1, 1]]
    cameras["princpt"][name] = [hand.K[0, 2], hand.K[1, 2]]
    random = np.random.default_rng(int(name))
    rotation = cv2.Rodrigues(random.normal(size=3))[0]
    cameras["campos"][name] = random.normal(scale=300, size=3).tolist()
    cameras["camrot"][name] = rotation.tolist()


def _add_interhand_frame(
    data: dict[str, Any],
    cameras: dict[str, Any],
    joint_3d: dict[str, Any],
    hand: Rendered,
    camera: str,
    capture: int,
    split: str,
) -> None:
    """Both cameras see the same picture, so each has a frame of its own."""
    number = 10 * capture + int(camera[-1])
    world = np.zeros((42, 3))
    own = slice(21, 42) if hand.is_left else slice(0, 21)
    points = 1000 * hand.xyz @ np.array(cameras["camrot"][camera]) + cameras["campos"][camera]
    world[own][list(INTERHAND_ORDER)] = points
    valid = np.zeros((42, 1), dtype=int)
    valid[own] = 1
    joint_3d[str(number)] = {"world_coord": world.tolist(), "joint_valid": valid.tolist()}
    low, high = hand.uv.min(axis=0) - 4, hand.uv.max(axis=0) + 4
    identifier = {"train": 1000, "val": 2000, "test": 3000}[split] + number
    data["images"].append(
        {
            "id": identifier,
            "file_name": f"Capture{capture}/seq/cam{camera}/image{number}.jpg",
            "width": 96,
            "height": 96,
            "capture": capture,
            "subject": 0,
            "seq_name": "seq",
            "camera": camera,
            "frame_idx": number,
        }
    )
    data["annotations"].append(
        {
            "id": identifier,
            "image_id": identifier,
            "bbox": [*low.tolist(), *(high - low).tolist()],
            "joint_valid": valid.tolist(),
            "hand_type": "left" if hand.is_left else "right",
            "hand_type_valid": 1,
        }
    )


def write_mpii(root: Path, *, train: int = 6, test: int = 4) -> None:
    """Left and right hands by turns; the last joint of each is unlabelled."""
    for split, count, first in (("train", train, 500), ("test", test, 550)):
        for i in range(count):
            hand = rendered(first + i, 128, is_left=i % 2 == 1)
            points = np.concatenate((hand.uv, np.ones((21, 1))), axis=1)
            points[20] = 0
            name = f"hand_labels/manual_{split}/{first + i:09d}_01_{'l' if hand.is_left else 'r'}"
            save_picture(root / f"{name}.jpg", hand.image)
            label = {"hand_pts": points.tolist(), "is_left": int(hand.is_left)}
            write_json(root / f"{name}.json", label)


def write_youtube(root: Path, *, frames: int = 4, absent: int = 1) -> Path:
    """`frames` frames a split, `absent` of them not downloaded; returns a regressor's path."""
    for number, split in enumerate(("train", "val", "test")):
        table: dict[str, Any] = {"images": [], "annotations": []}
        for i in range(frames):
            hand = rendered(600 + 20 * number + i, 128, is_left=i % 2 == 1)
            name = f"youtube/video{number}/video/frames/{i}.png"
            if i >= absent:
                save_picture(root / name, hand.image)
            table["images"].append({"id": i, "name": name, "width": 128, "height": 128})
            table["annotations"].append(
                {
                    "id": i,
                    "image_id": i,
                    "vertices": mesh_of(hand).tolist(),
                    "is_left": int(hand.is_left),
                }
            )
        write_json(root / f"youtube_{split}.json", table)
    np.save(root.parent / "regressor.npy", np.eye(16, 778))
    return root.parent / "regressor.npy"


def mesh_of(hand: Rendered) -> np.ndarray:
    """(778, 3) px: a mesh whose first 16 vertices are the joints, the tips at MANO's own places."""
    depth = (hand.xyz[:, 2] - hand.xyz[0, 2]) * hand.K[0, 0] / hand.xyz[0, 2]
    joints = np.concatenate((hand.uv, depth[:, None]), axis=1)
    theirs = np.empty((21, 3))
    theirs[list(MANO_ORDER)] = joints
    mesh = np.tile(joints.mean(axis=0), (778, 1))
    mesh[:16] = theirs[:16]
    mesh[list(MANO_TIP_VERTICES)] = theirs[16:]
    return mesh


def write_manifest(root: Path, *, train: int = 6, test: int = 3) -> None:
    """JSON lines; the second hand of each three has no 3D, the third no box."""
    lines = []
    for i in range(train + test):
        hand = rendered(700 + i, 96, is_left=i % 2 == 1)
        save_picture(root / f"pictures/{i}.png", hand.image)
        row: dict[str, Any] = {
            "image": f"pictures/{i}.png",
            "side": "left" if hand.is_left else "right",
            "uv": hand.uv.tolist(),
            "split": "train" if i < train else "test",
        }
        if i % 3 != 1:
            row |= {"xyz": hand.xyz.tolist(), "K": hand.K.tolist()}
        if i % 3 != 2:
            row["box"] = [47.5, 47.5, 80.0]
        lines.append(json.dumps(row))
    (root / "labels.jsonl").write_text("\n".join(lines))


# Suffix and mode of each picture of a plain folder, by turns.
FOLDER_KINDS = (
    (".jpg", "RGB"),
    (".PNG", "RGB"),
    (".webp", "RGB"),
    (".bmp", "RGB"),
    (".tiff", "RGB"),
    (".jpeg", "L"),
    (".png", "RGBA"),
    (".tif", "L"),
)


def write_folder(root: Path, *, folders: int = 12, each: int = 2) -> list[str]:
    """Pictures of several kinds and sizes, `each` of them in each folder; their paths."""
    names = []
    for number in range(folders * each):
        suffix, mode = FOLDER_KINDS[number % len(FOLDER_KINDS)]
        hand = rendered(800 + number, 64 + 16 * (number % 3))
        name = f"day{number // each // 4}/clip{number // each}/frame_{number % each:04d}{suffix}"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture = PIL.Image.fromarray(hand.image[: 60 + number]).convert(mode)
        picture.save(root / name)
        names.append(name)
    return names
