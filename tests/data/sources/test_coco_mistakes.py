"""A wrong order, side, frame or unit of a COCO file: training and the doctor name the cause."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts_coco import write_coco, write_cvat, write_mmpose_rhd
from reading import Reader

from handpose.skeleton import JOINT_ORDERS

Change = Callable[[dict[str, Any], dict[str, Any]], Any]  # of an annotation and its image
CVAT = "dataset.file=annotations/person_keypoints_default.json"
RHD = ("dataset.file=annotations/rhd_train.json", "dataset.test_file=annotations/rhd_test.json")
SIDES = "left and right are swapped, it seems"


def each(change: Change) -> Callable[[Path], None]:
    """Changes every annotation of every file."""

    def act(root: Path) -> None:
        for file in root.rglob("*.json"):
            content = json.loads(file.read_text())
            images = {image["id"]: image for image in content["images"]}
            for record in content["annotations"]:
                change(record, images[record["image_id"]])
            file.write_text(json.dumps(content))

    return act


def joint_cam(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return each(
        lambda r, _: r.update(joint_cam=np.asarray(change(np.array(r["joint_cam"]))).tolist())
    )


def keypoints(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def act(record: dict[str, Any], _: Any) -> None:
        if len(record["keypoints"]) == 63:
            points = change(np.reshape(record["keypoints"], (21, 3)))
            record["keypoints"] = points.ravel().tolist()

    return each(act)


def swap(record: dict[str, Any], _: Any) -> None:
    record["hand_type"] = {"left": "right", "right": "left"}[record["hand_type"]]


def twice_as_large(_: Any, image: dict[str, Any]) -> None:
    image["cam_param"] = {key: [2 * v for v in value] for key, value in image["cam_param"].items()}


def from_the_wrong_end(root: Path) -> None:
    """The names of tips and MCPs, and of DIPs and PIPs, are swapped."""
    file = root / "annotations/person_keypoints_default.json"
    other = {"Tip": "MCP", "DIP": "PIP", "PIP": "DIP", "MCP": "Tip"}
    thumb = {"Tip": "CMC", "IP": "MCP", "MCP": "IP", "CMC": "Tip"}
    content = json.loads(file.read_text())
    for category in content["categories"][1:]:
        category["keypoints"] = [
            re.sub(r"\w+$", lambda m, n=name: (thumb if "Thumb" in n else other)[m[0]], name)
            if name != "Wrist"
            else name
            for name in category["keypoints"]
        ]
    file.write_text(json.dumps(content))


def at_origin(points: np.ndarray) -> np.ndarray:
    points[[4, 12], :2] = 0
    return points


def nothing(_: Path) -> None:
    """The file as it is."""


# writer, settings, the mistake, the reason that is given
MISTAKES: dict[str, tuple[Callable, tuple[str, ...], Callable[[Path], None], str]] = {
    "names that are not true": (
        write_mmpose_rhd,
        RHD,
        nothing,
        r"another order of the joints fits better: RHD's \(.*; or set dataset\.joint_order=rhd",
    ),
    "order that is not true": (
        write_mmpose_rhd,
        (*RHD, "dataset.joint_order=interhand"),
        nothing,
        r"joints fits better: the file's own is rhd.*; or set dataset\.joint_order=rhd",
    ),
    "side": (write_mmpose_rhd, (*RHD, "dataset.joint_order=rhd"), each(swap), SIDES),
    "metres": (
        write_mmpose_rhd,
        (*RHD, "dataset.joint_order=rhd"),
        joint_cam(lambda xyz: xyz / 1000),
        r"xyz is not in metres: the bones are 0\.00",
    ),
    "OpenGL": (
        write_mmpose_rhd,
        (*RHD, "dataset.joint_order=rhd"),
        joint_cam(lambda xyz: xyz * [1, -1, -1]),
        "xyz is in OpenGL's frame, it seems. Negate y and z",
    ),
    "depth that is mirrored": (
        write_mmpose_rhd,
        (*RHD, "dataset.joint_order=rhd"),
        joint_cam(lambda xyz: np.column_stack((xyz[:, :2], 2 * xyz[:1, 2] - xyz[:, 2]))),
        "px away from uv|fingers backwards",
    ),
    "camera of a larger image": (
        write_mmpose_rhd,
        (*RHD, "dataset.joint_order=rhd"),
        each(twice_as_large),
        "K is of an image 2 times as large",
    ),
    "2D named from the wrong end of each finger": (
        write_cvat,
        (CVAT,),
        from_the_wrong_end,
        r"another order of the joints fits better: RHD's \(wrist, each finger from the tip",
    ),
    "2D in an order that is set wrongly": (
        write_coco,
        ("dataset.joint_order=interhand",),
        nothing,
        r"the file's own is ours.*; or set dataset\.joint_order=ours",
    ),
    "2D in MANO's order": (
        write_coco,
        (),
        keypoints(lambda points: points[np.argsort(JOINT_ORDERS["mano"])]),
        r"MANO's and HO-3D's .*; or set dataset\.joint_order=(ho3d|mano)",
    ),
    "2D from 0 to 1": (
        write_coco,
        (),
        keypoints(lambda points: points / [96, 96, 1]),
        "uv is normalised, it seems",
    ),
    "2D at 0,0": (
        write_coco,
        (),
        keypoints(at_origin),
        "have joints at the origin, .* flag 0",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_cause_is_named(mistake: str, tmp_path: Path) -> None:
    write, settings, make, words = MISTAKES[mistake]
    write(tmp_path / "coco")
    make(tmp_path / "coco")
    refusal = Reader(tmp_path).refusal("coco", *settings, "dataset.val_fraction=0.2")
    assert re.search(words, refusal)


@pytest.mark.parametrize(
    ("write", "settings"),
    [
        (write_mmpose_rhd, (*RHD, "dataset.joint_order=rhd")),
        (write_cvat, (CVAT,)),
        (write_coco, ()),
    ],
)
def test_without_a_mistake_it_is_read(write: Callable, settings: tuple, tmp_path: Path) -> None:
    write(tmp_path / "coco")
    dataset = Reader(tmp_path).open("coco", *settings, "dataset.val_fraction=0.2")
    assert len(dataset) > 0
    assert dataset.index.warnings == []  # type: ignore[attr-defined]


def test_a_joint_order_as_a_list_of_the_command_line(tmp_path: Path) -> None:
    write_mmpose_rhd(tmp_path / "coco")
    numbers = ",".join(map(str, JOINT_ORDERS["rhd"]))
    reader, cut = Reader(tmp_path), "dataset.val_fraction=0.2"
    listed = reader.open("coco", *RHD, f"dataset.joint_order=[{numbers}]", cut)
    named = reader.open("coco", *RHD, "dataset.joint_order=rhd", cut)
    assert np.array_equal(listed[0].xyz, named[0].xyz)
