"""Which component of the prior is drawn, by words."""

import numpy as np
import pytest

from radsmith.engines.default.components import Components

TABLE = {
    c: i + 1
    for i, c in enumerate(
        (
            "modality:x-ray",
            "body_part:knee",
            "body_part:chest",
            "view:ap",
            "view:pa",
            "view:lateral",
        )
    )
}


def components(rows):
    """rows: images and what they show, by component."""
    counts = [[n if c in shown else 0 for c in TABLE] for n, shown in rows]
    mixed = [dict(zip(TABLE, row, strict=True)) for row in counts]
    return Components(
        TABLE,
        {
            "component_counts": np.array([list(m.values()) for m in mixed], np.uint16),
            "component_images": np.array([n for n, _ in rows], np.int32),
            "component_aspect": np.ones(len(rows), np.float32),
        },
    )


def share(found, *concepts):
    weight = np.exp(found.scores(("modality:x-ray", *concepts), (), None))
    return weight / weight.sum()


KNEE, CHEST = ("modality:x-ray", "body_part:knee"), ("modality:x-ray", "body_part:chest")


def test_a_knee_from_the_front_is_one_whichever_way_the_rays_went():
    """A handful of images with the very word must not outweigh hundreds that look the same."""
    found = components(
        [(200, (*KNEE, "view:pa")), (8, (*KNEE, "view:ap")), (30, (*KNEE, "view:lateral"))]
    )
    asked = share(found, "body_part:knee", "view:ap")
    assert asked[0] > 0.5 and asked[2] < 0.05
    assert share(found, "body_part:knee", "view:lateral")[2] > 0.8


@pytest.mark.parametrize("asked, other", [("view:ap", 1), ("view:pa", 0)])
def test_where_both_were_learned_the_one_that_was_asked_is_drawn(asked, other):
    found = components([(100, (*CHEST, "view:ap")), (100, (*CHEST, "view:pa"))])
    assert share(found, "body_part:chest", asked)[other] < 0.2
