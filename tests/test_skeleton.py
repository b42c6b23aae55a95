"""Named joint orders: each is a permutation, with the wrist and the tips where its name says."""

import pytest

from handpose.skeleton import BONES, JOINT_NAMES, JOINT_ORDERS, NUM_JOINTS


@pytest.mark.parametrize("name", JOINT_ORDERS)
def test_an_order_has_every_joint_once(name: str) -> None:
    assert sorted(JOINT_ORDERS[name]) == list(range(NUM_JOINTS))


def test_orders_say_where_a_joint_is_in_the_other_layout() -> None:
    tips = {name: [order[j] for j in (4, 8, 12, 16, 20)] for name, order in JOINT_ORDERS.items()}
    assert tips["ours"] == [4, 8, 12, 16, 20]
    assert tips["interhand"] == [0, 4, 8, 12, 16]
    assert tips["rhd"] == [1, 5, 9, 13, 17]
    assert tips["ho3d"] == tips["mano"] == [16, 17, 18, 19, 20]
    assert tips["bighand"] == [8, 11, 14, 17, 20]
    assert {name for name, order in JOINT_ORDERS.items() if order[0] == 20} == {"interhand"}


def test_bones_lead_from_the_wrist_to_every_tip() -> None:
    parent = {child: parent for parent, child in BONES}
    assert len(parent) == NUM_JOINTS - 1
    for tip in (joint for joint, name in enumerate(JOINT_NAMES) if name.endswith("tip")):
        chain = [tip]
        while chain[-1]:
            chain.append(parent[chain[-1]])
        assert len(chain) == 5
