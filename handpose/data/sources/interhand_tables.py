"""The tables of InterHand2.6M's annotation files, by the keys that join them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from handpose.data.index.annotation import as_array
from handpose.data.index.collector import Collector
from handpose.data.index.json_stream import members, records
from handpose.data.index.keys import once
from handpose.skeleton import NUM_JOINTS

_INTRINSICS = ("focal", "princpt")


class Camera(NamedTuple):
    """One camera of one capture."""

    position: np.ndarray  # (3,) mm, world
    rotation: np.ndarray  # (3, 3) world -> camera
    K: np.ndarray  # (3, 3)


class Image(NamedTuple):
    """One picture of the `images` list."""

    file_name: str
    size: tuple[int, int]  # width, height
    capture: str
    camera: str
    frame: str


def read_cameras(collector: Collector, path: Path, name: str) -> dict[tuple[str, str], Camera]:
    """{(capture, camera): Camera}; `name` is the file in the table of problems."""
    cameras = {}
    for (capture,), record in records(path, depth=1):
        for camera in record.get("campos", {}):
            with collector.record(f"{name}#{capture}/{camera}"):
                (fx, fy), (cx, cy) = (as_array(record[key][camera], 2) for key in _INTRINSICS)
                cameras[str(capture), camera] = Camera(
                    as_array(record["campos"][camera], 3),
                    as_array(record["camrot"][camera], 3, 3),
                    np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
                )
    return cameras


def read_joints(collector: Collector, path: Path, name: str) -> dict[tuple[str, str], np.ndarray]:
    """{(capture, frame): (42, 3) mm, world}."""
    joints = {}
    for (capture, frame), record in records(path, depth=2):
        with collector.record(f"{name}#{capture}/{frame}"):
            world = as_array(record["world_coord"], 2 * NUM_JOINTS, 3)
            joints[str(capture), str(frame)] = world.astype(np.float32)
    return joints


def read_images(collector: Collector, path: Path, name: str) -> dict[int, Image]:
    """{id: Image}."""
    images: dict[int, Image] = {}
    seen: set[int] = set()
    for place, record in members(path, "images"):
        with collector.record(f"{name}#images/{place}"):
            once(record["id"], seen)
            images[record["id"]] = Image(
                record["file_name"],
                (int(record["width"]), int(record["height"])),
                str(record["capture"]),
                str(record["camera"]),
                str(record["frame_idx"]),
            )
    return images
