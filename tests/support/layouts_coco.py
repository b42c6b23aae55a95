"""Small COCO keypoints datasets, in the spellings of the tools that write them.

Hands come in pairs: a right hand, then its mirror image, a left one.
"""

from pathlib import Path
from typing import Any

import numpy as np
from layouts import Rendered, rendered, save_picture, write_json

from handpose.coco_format import CocoHand, ImageHands, coco_document
from handpose.skeleton import FINGERS, JOINT_ORDERS

SIDE = 96  # px of an image with one hand
MMPOSE_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
MMPOSE = ("wrist", *(f"{finger}{k}" for finger in MMPOSE_FINGERS for k in (1, 2, 3, 4)))
MEDIAPIPE = (
    *("WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"),
    *(f"{f}_FINGER_{k}" for f in ("INDEX", "MIDDLE", "RING") for k in ("MCP", "PIP", "DIP", "TIP")),
    *(f"PINKY_{k}" for k in ("MCP", "PIP", "DIP", "TIP")),
)
# Of a labelling project: the little finger first, the wrist last.
BY_HAND = (
    *(
        f"{finger.title()} finger - {k}"
        for finger in FINGERS[:0:-1]
        for k in ("Tip", "DIP", "PIP", "MCP")
    ),
    *("Thumb-Tip", "Thumb-IP", "Thumb-MCP", "Thumb-CMC", "Wrist"),
)
# Where each of our joints is in that list.
BY_HAND_ORDER = tuple(reversed(range(21)))
BODY = ("nose", *(f"{side}_{k}" for k in "abcdefgh" for side in ("left", "right")))


def pair(first: int, number: int) -> Rendered:
    """The hand of a number: a right one if it is even, else its mirror image."""
    return rendered(first + number // 2, SIDE, is_left=number % 2 == 1)


def side_of(hand: Rendered) -> str:
    return "left" if hand.is_left else "right"


def bbox_of(uv: np.ndarray) -> list[float]:
    low, high = uv.min(axis=0) - 4, uv.max(axis=0) + 4
    return [*low.tolist(), *(high - low).tolist()]


def keypoints_of(uv: np.ndarray, order: tuple[int, ...], flag: float = 2) -> list[float]:
    """Flat (u, v, flag), as a file in another order has them: ours[j] = theirs[order[j]]."""
    theirs = np.full((21, 3), float(flag))
    theirs[list(order), :2] = uv
    return theirs.ravel().tolist()


def document(categories: list[dict[str, Any]]) -> dict[str, Any]:
    info = {"description": "", "year": 2024, "date_created": ""}
    return {
        "info": info,
        "licenses": [{"id": 0, "name": "", "url": ""}],
        "categories": categories,
        "images": [],
        "annotations": [],
    }


def add(table: dict[str, Any], name: str, width: int, **image: Any) -> dict[str, Any]:
    """Adds an image; what its annotations begin with."""
    number = len(table["images"]) + 1
    table["images"].append(
        {"id": number, "file_name": name, "width": width, "height": SIDE, **image}
    )
    return {"image_id": number, "iscrowd": 0}


def append(table: dict[str, Any], record: dict[str, Any]) -> None:
    table["annotations"].append({"id": len(table["annotations"]) + 1, **record})


def write_coco(root: Path, *, train: int = 12, test: int = 4) -> None:
    """labels.json and test.json, as `handpose export-coco` writes them, of PNG images."""
    for file, count, first in (("labels.json", train, 900), ("test.json", test, 950)):
        images = []
        for i in range(count):
            hand, name = pair(first, i), f"pictures/{first + i}.png"
            save_picture(root / name, hand.image)
            box = np.array([*(hand.uv.min(0) + hand.uv.max(0)) / 2, 80.0])
            labelled = CocoHand(hand.uv, "left" if hand.is_left else "right", box, score=0.5)
            images.append(ImageHands(name, SIDE, SIDE, [labelled]))
        write_json(root / file, coco_document(images))


def write_cvat(root: Path, *, count: int = 12) -> None:
    """CVAT's export: names of a project, a category for each side, persons beside the hands."""
    hands = [
        {"id": i + 2, "name": f"{side} hand", "keypoints": list(BY_HAND), "skeleton": [[1, 2]]}
        for i, side in enumerate(("left", "right"))
    ]
    table = document([{"id": 1, "name": "person", "keypoints": list(BODY), "skeleton": []}, *hands])
    for i in range(count):
        hand = pair(1000, i)
        save_picture(root / f"images/default/frame_{i:06d}.PNG", hand.image)
        own = add(table, f"frame_{i:06d}.PNG", SIDE, license=0, flickr_url="", date_captured=0)
        own |= {"segmentation": {"counts": [0, 96 * 96], "size": [96, 96]}, "area": 100.0}
        person = {"category_id": 1, "keypoints": [10.0, 10.0, 2.0] * 17, "num_keypoints": 17}
        append(table, own | person | {"bbox": [0, 0, 96, 96]})
        points = keypoints_of(hand.uv, BY_HAND_ORDER)
        points[2] = 1.0  # the tip of the little finger is occluded
        points[9:12] = [0.0, 0.0, 0.0]  # its MCP is outside
        labelled = {"category_id": 2 if hand.is_left else 3, "keypoints": points}
        attributes = {"occluded": False, "keyframe": True, "track_id": i}
        append(
            table, own | labelled | {"bbox": bbox_of(hand.uv), "score": 1, "attributes": attributes}
        )
    write_json(root / "annotations/person_keypoints_default.json", table)


def write_roboflow(root: Path, *, count: int = 4) -> None:
    """Roboflow's export: a folder for each split, with the annotations among the images."""
    for folder, first in (("train", 1100), ("valid", 1120), ("test", 1140)):
        named = {"supercategory": "hands", "keypoints": list(MEDIAPIPE), "skeleton": []}
        categories = [{"id": i + 1, "name": f"{s}-hand", **named} for i, s in enumerate("LR")]
        table = document([{"id": 0, "name": "hands", "supercategory": "none"}, *categories])
        for i in range(count):
            hand, name = pair(first, i), f"{i}_png.rf.{first + i:032x}.png"
            save_picture(root / folder / name, hand.image)
            own = add(table, name, SIDE, extra={"name": f"{i}.png"}, date_captured="")
            own |= {"category_id": 1 if hand.is_left else 2, "segmentation": []}
            points = keypoints_of(hand.uv, JOINT_ORDERS["ours"])
            append(table, own | {"bbox": bbox_of(hand.uv), "area": 1, "keypoints": points})
        write_json(root / folder / "_annotations.coco.json", table)


def write_wholebody(root: Path, *, count: int = 4) -> None:
    """COCO-WholeBody: persons with two hands, of which the first has no valid left one."""
    for split, first in (("train", 1200), ("val", 1250)):
        table = document([{"id": 1, "name": "person", "keypoints": list(BODY), "skeleton": []}])
        for i in range(count):
            right, left = (pair(first, 2 * i + k) for k in (0, 1))
            name = f"{first + i:012d}.png"
            image = np.concatenate((right.image, left.image), axis=1)
            save_picture(root / f"{split}2017" / name, image)
            person: dict[str, Any] = {"category_id": 1, "keypoints": [0] * 51, "num_keypoints": 0}
            person |= {"bbox": [0, 0, 2 * SIDE, SIDE], "face_box": [0.0] * 4, "face_valid": False}
            own = add(table, name, 2 * SIDE, license=4, coco_url="") | person
            beside = left.uv + np.array([SIDE, 0])
            for side, uv in (("right", right.uv), ("left", beside)):
                is_there = i > 0 or side == "right"
                points = keypoints_of(uv, JOINT_ORDERS["ours"], flag=0.73)
                own[f"{side}hand_valid"] = is_there
                own[f"{side}hand_kpts"] = points if is_there else [0.0] * 63
                own[f"{side}hand_box"] = bbox_of(uv) if is_there else [0.0] * 4
            append(table, own)
        write_json(root / f"annotations/coco_wholebody_{split}_v1.0.json", table)


def write_mmpose_rhd(root: Path, *, count: int = 12) -> None:
    """mmpose's RHD: nested keypoints from the tips in, under names that say the converse; 3D."""
    for split, first, folder in (("train", 1300, "training"), ("test", 1350, "evaluation")):
        category = {"id": 1, "name": "hand", "supercategory": "hand", "keypoints": list(MMPOSE)}
        table = document([category])
        for i in range(count):
            hand, name = pair(first, i), f"{folder}/color/{i:05d}.png"
            save_picture(root / name, hand.image)
            K = hand.K
            camera = {"focal": [K[0, 0], K[1, 1]], "princpt": [K[0, 2], K[1, 2]]}
            own = add(table, name, SIDE, cam_param=camera)
            theirs = np.empty((21, 3))
            theirs[list(JOINT_ORDERS["rhd"])] = 1000 * hand.xyz
            points = np.reshape(keypoints_of(hand.uv, JOINT_ORDERS["rhd"], flag=1), (21, 3))
            own |= {"category_id": 1, "bbox": bbox_of(hand.uv), "area": 1.0}
            own |= {"hand_type": side_of(hand), "joint_cam": theirs.tolist()}
            append(table, own | {"keypoints": points.tolist()})
        write_json(root / f"annotations/rhd_{split}.json", table)


def write_predictions(folder: Path, *, count: int = 2) -> None:
    """The keys of `handpose predict`'s JSON that an export needs."""
    for i in range(count):
        hand = pair(1400, i)
        record: dict[str, Any] = {"source": f"{i}.png", "frame": None}
        record |= {"width": SIDE, "height": SIDE, "side": side_of(hand)}
        record |= {"box_px": [48, 48, 80], "uv_px": hand.uv.tolist()}
        write_json(folder / f"{i}.json", record)


# How each is opened.
SPELLINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ours": (write_coco, {"test_file": "test.json"}),
    "cvat": (write_cvat, {"file": "annotations/person_keypoints_default.json"}),
    "roboflow": (
        write_roboflow,
        {
            f"{key}file": f"{folder}/_annotations.coco.json"
            for key, folder in (("", "train"), ("val_", "valid"), ("test_", "test"))
        },
    ),
    "wholebody": (
        write_wholebody,
        {
            "file": "annotations/coco_wholebody_train_v1.0.json",
            "val_file": "annotations/coco_wholebody_val_v1.0.json",
        },
    ),
    "mmpose": (
        write_mmpose_rhd,
        {
            "file": "annotations/rhd_train.json",
            "test_file": "annotations/rhd_test.json",
            "joint_order": "rhd",
        },
    ),
}
