"""The COCO keypoints document: its fields, flags and boxes by hand, and what is refused."""

import json

import numpy as np
import pytest

from handpose.coco_format import CocoHand, ImageHands, coco_document
from handpose.skeleton import BONES, NUM_JOINTS

UV = np.stack((np.arange(21.0), 2 * np.arange(21.0)), axis=1)  # of an image of 100 x 30 px


def document(*hands: CocoHand) -> dict:
    return coco_document([ImageHands("a/1.jpg", 100, 30, hands), ImageHands("b.jpg", 9, 9, ())])


def test_images_categories_and_annotations_refer_to_each_other() -> None:
    found = document(CocoHand(UV, "right"), CocoHand(UV, "left"))
    assert json.loads(json.dumps(found)) == found
    assert [(i["file_name"], i["width"], i["height"]) for i in found["images"]] == [
        ("a/1.jpg", 100, 30),
        ("b.jpg", 9, 9),
    ]
    names = {category["id"]: category["name"] for category in found["categories"]}
    assert [names[a["category_id"]] for a in found["annotations"]] == ["right_hand", "left_hand"]
    assert [a["side"] for a in found["annotations"]] == ["right", "left"]
    assert {a["image_id"] for a in found["annotations"]} == {found["images"][0]["id"]}
    for table in ("images", "annotations", "categories"):
        assert len({record["id"] for record in found[table]}) == len(found[table])


def test_the_skeleton_counts_from_one() -> None:
    for category in document()["categories"]:
        assert len(category["keypoints"]) == len(set(category["keypoints"])) == NUM_JOINTS
        pairs = [(one - 1, other - 1) for one, other in category["skeleton"]]
        assert pairs == list(BONES)
        assert category["keypoints"][0] == "wrist"
        assert category["keypoints"][20] == "little_tip"


def test_flags_say_what_is_labelled_and_what_is_in_the_image() -> None:
    valid = np.arange(21) != 3
    (annotation,) = document(CocoHand(UV, "left", uv_valid=valid))["annotations"]
    points = np.array(annotation["keypoints"]).reshape(21, 3)
    assert points[:, 2].tolist() == [2, 2, 2, 0, *[2] * 11, *[1] * 6]  # v is at most 29 in it
    assert points[3].tolist() == [0, 0, 0]
    assert np.array_equal(points[valid, :2], UV[valid])
    assert annotation["num_keypoints"] == 20
    assert annotation["bbox"] == [0, 0, 20, 40]
    assert annotation["area"] == 800


def test_a_box_is_its_square_also_beyond_the_image() -> None:
    (annotation,) = document(CocoHand(UV, "left", np.array([50.0, 10.0, 60.0])))["annotations"]
    assert annotation["bbox"] == [20, -20, 60, 60]
    assert annotation["area"] == 3600


def test_scores_are_there_where_they_are_known() -> None:
    known, unknown = document(
        CocoHand(UV, "left", score=0.25, joint_scores=np.full(21, 0.5)), CocoHand(UV, "left")
    )["annotations"]
    assert known["score"] == 0.25
    assert known["keypoint_scores"] == [0.5] * 21
    assert not {"score", "keypoint_scores"} & set(unknown)


def test_what_cannot_be_written_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"a/1\.jpg: a joint or the box .* not finite"):
        document(CocoHand(UV * np.nan, "left"))
    with pytest.raises(ValueError, match=r"a/1\.jpg: a joint or the box .* not finite"):
        document(CocoHand(UV, "left", np.array([1.0, np.inf, 2.0])))
    with pytest.raises(ValueError, match=r"b\.jpg: two images have this name"):
        coco_document([ImageHands("b.jpg", 9, 9, ())] * 2)
