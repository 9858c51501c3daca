"""Findings are drawn against the same image without them; opacities are put where they are said."""

from dataclasses import replace

import numpy as np
import pytest

from radsmith.editing.body_map import ellipse_of
from radsmith.engines.choice import load_engine
from radsmith.engines.default.components import Components
from radsmith.engines.default.conditional import Conditional
from radsmith.engines.default.focus import (
    Hole,
    Shade,
    Shading,
    outside_of,
    placed,
    plainly,
    shade_of,
)
from radsmith.engines.default.stages import FINDING_GUIDANCE, BaseStage
from radsmith.engines.engine import Given
from radsmith.generation.plan import plan
from radsmith.images.letterbox import box_of, inside
from radsmith.images.lungs import find_lungs
from radsmith.images.provenance import Settings
from radsmith.images.resize import shrink
from radsmith.language.places import BY_HAND, by_hand, by_rule, can_place, place_of, rule_of
from radsmith.language.reading import read_prompt
from radsmith.language.vocabulary import default_vocabulary
from tests.images.test_lungs import chest


def read(text):
    prompt = read_prompt(text).prompt
    return prompt, prompt.findings[0]


BOX = (0, 0, 32, 32)
OPACITIES = BY_HAND["modality:x-ray", "body_part:chest"].rules


def dark(share, gray=0.75, air=True, over=False):
    return Shade(share=np.asarray(share, np.float32), gray=gray, air=air, over=over)


def test_every_rule_is_of_a_finding_of_the_vocabulary():
    known = set(default_vocabulary().concepts)
    for kind, found in BY_HAND.items():
        assert {*kind, *(f"finding:{name}" for name in found.rules)} <= known


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("chest x-ray, right pleural effusion", True),
        ("chest x-ray, left upper lobe pneumonia", True),
        ("chest x-ray, consolidation of the lower lobe", True),
        ("chest x-ray, pleural effusion", False),
        ("chest x-ray, no right pleural effusion", False),
        ("chest x-ray, left pneumothorax", False),
        ("right knee x-ray, osteoarthritis", False),
        ("chest CT, right pleural effusion", False),
        ("lateral chest x-ray, right pleural effusion", False),
        ("chest x-ray, normal", False),
        ("brain MRI, axial, left meningioma", True),
        ("brain MRI, right frontal glioblastoma", True),
        ("brain MRI, sagittal, left meningioma", False),
        ("brain MRI, meningioma", False),
        ("brain CT, left meningioma", False),
        ("brain MRI, sagittal, frontal meningioma", False),
        ("brain MRI, axial, frontal meningioma", True),
    ],
)
def test_what_can_be_placed(text, can):
    prompt, finding = read(text)
    assert can_place(prompt, finding) == can
    rule = by_rule(prompt, finding)
    assert bool(placed(prompt)) == (can and not rule.learned)


def test_the_patients_right_is_at_the_viewers_left_and_the_lower_lobe_below():
    for text, across, down in (
        ("chest x-ray, right pleural effusion", 0.25, 0.7),
        ("chest x-ray, left pleural effusion", 0.75, 0.7),
        ("chest x-ray, right upper lobe pneumonia", 0.25, 0.25),
    ):
        prompt, finding = read(text)
        left, top, right, bottom = place_of(prompt, finding)
        assert left < across < right
        assert top < down < bottom
        assert right <= 0.5 or left >= 0.5


def test_a_shade_lies_in_the_picture_and_fades():
    prompt, _ = read("chest x-ray, left pleural effusion")
    shade = shade_of(prompt, box_of(1.0), 32, None).share
    assert shade.shape == (32, 32)
    assert shade.max() == pytest.approx(OPACITIES["pleural-effusion"].share)
    assert not shade[:, :14].any()
    assert len(np.unique(shade)) > 3
    wide = shade_of(prompt, box_of(2.0), 32, None).share
    assert not wide[:8].any()  # the bar above a wide picture
    assert not wide[24:].any()
    mass, _ = read("chest x-ray, left lung mass")
    assert (shade_of(mass, box_of(1.0), 32, None).share > 0).sum() < 0.6 * (shade > 0).sum()


def test_sides_that_nobody_names_are_by_chance_and_only_of_what_is_always_drawn_so():
    prompt, _ = read("chest x-ray, lung mass")
    lefts = [
        shade_of(prompt, box_of(1.0), 32, np.random.default_rng(seed)).share[:, 16:].any()
        for seed in range(20)
    ]
    assert 3 < sum(lefts) < 17
    whole = shade_of(prompt, box_of(1.0), 32, None).share
    assert whole[:, :16].any()
    assert whole[:, 16:].any()
    for text in ("chest x-ray, pneumonia", "chest x-ray, normal", "chest x-ray, no effusion"):
        assert shade_of(read(text)[0], box_of(1.0), 32, np.random.default_rng(0)) is None
    assert shade_of(None, box_of(1.0), 32, None) is None


def test_fluid_stands_higher_at_the_wall_and_lies_at_the_bottom():
    for side, wall in (("left", 1), ("right", -1)):
        prompt, _ = read(f"chest x-ray, {side} pleural effusion")
        shade = shade_of(prompt, box_of(1.0), 64, None).share
        top = np.where(shade > 0.3, np.arange(64)[:, None], 64).min(0)
        own = np.flatnonzero(top < 64)
        outer, inner = (own[-4], own[3]) if wall > 0 else (own[3], own[-4])
        assert top[outer] < top[inner] - 3
        assert shade[:, own[len(own) // 2]].argmax() > 32


def test_more_of_an_opacity_is_in_the_pixels_that_a_change_begins_from():
    for drawn in BY_HAND.values():
        assert all(rule.dense > rule.share for rule in drawn.rules.values())
    prompt, finding = read("chest x-ray, left consolidation")
    step, whole = (shade_of(prompt, box_of(1.0), 64, None, dense=dense).share for dense in (0, 1))
    rule = rule_of(prompt, finding)
    assert whole == pytest.approx(step * rule.dense / rule.share, abs=1e-5)


@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.8])
def test_a_shadow_has_one_shape_in_the_pixels_begun_from_and_in_what_is_drawn(aspect):
    prompt, finding = read("chest x-ray, right viral pneumonia in the lower lobe")
    box, shape = box_of(aspect), (round(200 / aspect), 200)
    hole = Hole.of(np.ones(shape, bool), finding.concept, 5, afresh=False)
    shading = Shading(prompt=prompt, box=box, where=hole, look=False)
    base = shading.on(np.zeros((32, 32), np.float32)).within(BOX, 32, 32).share
    begun = shading.on(np.zeros((256, 256), np.float32), dense=True)
    whole = np.zeros((256, 256), np.float32)
    inside(whole, box)[:] = begun.within(box, *box[2:]).share
    small = shrink(whole, 8)
    assert np.corrcoef(base.ravel(), small.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("name", sorted(OPACITIES))
def test_borders_stray_but_not_beyond_the_region_of_a_change(name):
    finding = default_vocabulary()[f"finding:{name}"].name
    prompt, own = read(f"chest x-ray, left {finding}")
    mask = ellipse_of(prompt, own, (64, 64))
    shapes = []
    for seed in range(12):
        hole = Hole.of(mask, own.concept, seed, afresh=False)
        share = shade_of(prompt, box_of(1.0), 64, hole, dense=True).share
        assert np.isfinite(share).all() and share[~mask].max() < 0.05
        shapes.append(share)
    rule = OPACITIES[name]
    assert bool(np.ptp(shapes, 0).max() > 0.05) == bool(rule.ragged or rule.varied)


def test_no_two_masses_are_alike_and_a_hollow_one_has_an_uneven_wall():
    """Each within the half axes of its rule, and the same of one seed on every grid."""
    for text in ("brain MRI, axial, right glioma", "chest x-ray, left nodule"):
        prompt, finding = read(text)
        rule, shapes = by_rule(prompt, finding), []
        for seed in range(8):
            rng = (np.random.default_rng(seed) for _ in range(2))
            fine, coarse = (shade_of(prompt, box_of(1.0), n, where).share
                            for n, where in zip((128, 32), rng, strict=True))  # fmt: skip
            assert np.corrcoef(shrink(fine, 4).ravel(), coarse.ravel())[0, 1] > 0.9
            shapes.append(fine > 0.5 * rule.share)
        sizes = [int(shape.sum()) for shape in shapes]
        assert max(sizes) > 1.15 * min(sizes)
        walls = []
        for shape in shapes if rule.core else ():
            down, across = (round(float(at.mean())) for at in np.nonzero(shape))
            assert not shape[down, across]
            walls.append(shape[down, :across].sum() / shape[down, across:].sum())
        assert not rule.core or max(walls) > 1.4 * min(walls)


def test_a_finding_without_a_side_lies_in_a_lung_and_one_of_both_in_both():
    def across(text, where):
        share = shade_of(read(text)[0], box_of(1.0), 64, where).share
        return np.flatnonzero(share.any(0)) / 64

    for text in ("nodule in the lower lobe", "lung mass", "consolidation in the upper lobe"):
        prompt, finding = read(f"chest x-ray, {text}")
        found = [across(f"chest x-ray, {text}", np.random.default_rng(seed)) for seed in range(8)]
        assert {columns.mean() > 0.5 for columns in found} == {True, False}
        assert all(columns.max() < 0.62 or columns.min() > 0.38 for columns in found)
        mask = ellipse_of(prompt, finding, (64, 64))
        assert np.flatnonzero(mask.any(0)).mean() < 26, "the right one"
        left = np.zeros((64, 64), bool)
        left[:, 34:60] = True
        hole = Hole.of(left, finding.concept, afresh=False)
        assert across(f"chest x-ray, {text}", hole).mean() > 0.6
    middle = across("chest x-ray, middle lobe consolidation", np.random.default_rng(3))
    assert middle.max() < 0.55, "there is a middle lobe on the right alone"
    prompt, finding = read("chest x-ray, bilateral consolidation")
    for columns in (
        across("chest x-ray, bilateral consolidation", np.random.default_rng(0)),
        np.flatnonzero(ellipse_of(prompt, finding, (64, 64)).any(0)) / 64,
    ):
        assert columns.min() < 0.3 and columns.max() > 0.7


def test_fluid_rises_at_the_wall_of_its_own_lung_wherever_that_is():
    for shift in (-0.09, 0.09):
        lungs = find_lungs(chest(across=0.5 + shift, wide=0.6, side=64))
        prompt, _ = read("chest x-ray, pleural effusion")
        share = shade_of(prompt, box_of(1.0), 64, None, lungs).share
        for side, outer, inner in (("side:right", 0, -1), ("side:left", -1, 0)):
            left, _, right, _ = (round(64 * edge) for edge in lungs.box(side))
            top = np.where(share > 0.25, np.arange(64)[:, None], 64).min(0)[left + 1 : right - 1]
            assert top[outer] <= top[inner]


def test_air_beside_a_body_stays_air():
    image = np.full((80, 100), -0.2, np.float32)
    image[:, :20] = -0.95  # beside the body
    image[20:60, 40:60] = -0.8  # a lung
    outside = outside_of(image)
    assert outside[:, :15].min() > 0.9
    assert outside[:, 30:].max() < 0.1
    found = dark(np.full(image.shape, 0.5)).apply(image)
    assert np.allclose(found[:, :15], image[:, :15], atol=0.05)
    assert (found[25:55, 45:55] > image[25:55, 45:55] + 0.2).all()


def test_air_becomes_tissue_and_nothing_becomes_brighter_than_that():
    image = np.linspace(-0.55, 1, 1024).reshape(32, 32).astype(np.float32)
    found = dark(np.full((32, 32), 0.5)).apply(image)
    tissue = np.quantile(image, 0.75)
    assert found[0, 0] == pytest.approx((image[0, 0] + tissue) / 2, abs=1e-3)
    assert np.array_equal(found[image > tissue], image[image > tissue])
    assert np.array_equal(dark(np.zeros((32, 32))).apply(image), image)


def test_ribs_stay_to_be_seen_in_a_shadow():
    image = np.full((64, 64), -0.5, np.float32)
    image[:, :16] = image[:, 48:] = 0.6
    image[30:33] += 0.3
    found = dark(np.full((64, 64), 0.5), air=False, over=True).apply(image)
    assert found[20, 32] > image[20, 32] + 0.3
    assert found[31, 32] - found[20, 32] > 0.2
    flat = dark(np.full((64, 64), 0.5), air=False).apply(image)
    assert found[31, 32] - found[20, 32] > flat[31, 32] - flat[20, 32]


def test_shadows_lie_in_lungs_and_fluid_hides_their_base():
    image = 2 * chest(top=0.2, high=0.5, side=64) - 1
    lungs = find_lungs(chest(top=0.2, high=0.5, side=64))
    for text in ("left lung mass", "right pneumonia", "consolidation in the left lower lobe"):
        prompt, _ = read(f"chest x-ray, {text}")
        shading = Shading(prompt=prompt, box=box_of(1.0), where=np.random.default_rng(1))
        share = shading.on(image).share
        assert share.max() > 0.1 and not share[lungs.share(64, 64) == 0].any()
        found = np.nonzero(share)[1].mean() / 64
        assert (found > 0.5) == ("left" in text)
    prompt, _ = read("chest x-ray, left pleural effusion")
    share = Shading(prompt=prompt, box=box_of(1.0), where=None).on(image).share
    assert share[43:47, 42:48].min() > 0.3, "no air is left between the fluid and what is below"
    assert not share[54:].any(), "nor is the abdomen drawn white"
    assert not Shading(prompt=prompt, box=box_of(1.0), where=None, share=0.0).on(image).share.any()


def test_without_lungs_a_shadow_lies_where_it_usually_does():
    prompt, _ = read("chest x-ray, left lung mass")
    usual = shade_of(prompt, box_of(1.0), 32, None)
    found = Shading(prompt=prompt, box=box_of(1.0), where=None).on(np.zeros((32, 32), np.float32))
    assert np.array_equal(found.share, usual.share) and found.air and found.over


def test_findings_lie_elsewhere_from_seed_to_seed_but_in_their_place():
    prompt, finding = read("chest x-ray, left lung nodule")
    left, top, right, bottom = place_of(prompt, finding)
    middles = []
    for seed in range(12):
        share = shade_of(prompt, box_of(1.0), 64, np.random.default_rng(seed)).share
        rows, columns = np.nonzero(share)
        middles.append((rows.mean() / 64, columns.mean() / 64))
    down, across = np.array(middles).T
    assert np.ptp(down) > 0.15 and np.ptp(across) > 0.05
    assert left < across.min() and across.max() < right and top < down.min() < down.max() < bottom


def test_tumours_of_the_brain_are_bright_masses_of_the_breast_dark():
    image = np.linspace(-0.9, 1, 1024).reshape(32, 32).astype(np.float32)
    for text, brighter in (("brain MRI, glioma", True), ("breast ultrasound, benign mass", False)):
        prompt, _ = read(text)
        shade = shade_of(prompt, box_of(1.0), 32, np.random.default_rng(0), dense=True)
        change = shade.apply(image) - image
        assert (change >= 0).all() if brighter else (change <= 0).all()
        assert np.abs(change).max() > 0.1 and not change[shade.share == 0].any()


def test_a_glioma_has_a_core_a_pituitary_tumour_no_side_and_a_lobe_is_where_it_is():
    ring = shade_of(read("brain MRI, left glioma")[0], box_of(1.0), 64, None).share
    rows, columns = np.nonzero(ring)
    middle = ring[round(rows.mean()), round(columns.mean())]
    assert columns.min() > 30 and middle < 0.2 * ring.max()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        mid = shade_of(read("brain MRI, pituitary tumor")[0], box_of(1.0), 64, rng).share
        assert np.nonzero(mid)[1].mean() == pytest.approx(31.5, abs=1)
    heights = [
        np.nonzero(shade_of(read(text)[0], box_of(1.0), 64, None).share)[0].mean()
        for text in ("brain MRI, left frontal meningioma", "brain MRI, left occipital meningioma")
    ]
    assert heights[0] + 15 < heights[1]


NAMED = [
    ("brain MRI, glioma", "finding:glioma"),
    ("brain MRI, meningioma", "finding:meningioma"),
    ("breast ultrasound, benign mass", "finding:benign-breast-mass"),
    ("chest x-ray, lung nodule", "finding:lung-nodule"),
    ("chest x-ray, pleural effusion", "finding:pleural-effusion"),
]


@pytest.mark.parametrize(("text", "concept"), NAMED)
def test_in_an_edit_only_what_is_added_is_drawn_and_in_its_hole(text, concept):
    """Another version of an image with a tumour does not get a second one in the middle."""
    prompt, finding = read(text)
    assert finding.concept == concept
    everywhere, corner = np.ones((64, 64), bool), np.zeros((64, 64), bool)
    corner[40:56, 6:30] = True
    for mask in (everywhere, corner):
        assert shade_of(prompt, box_of(1.0), 64, Hole.of(mask, "")) is None
        assert shade_of(prompt, box_of(1.0), 64, Hole.of(mask, "finding:pneumonia")) is None
    own = ellipse_of(prompt, finding, (64, 64))
    for mask in (corner, own):
        found = shade_of(prompt, box_of(1.0), 64, Hole.of(mask, concept), dense=True).share
        assert found[mask].max() > 0.9 * rule_of(prompt, finding).dense
        assert found[~mask].sum() < 0.1 * found.sum()


def test_what_is_said_to_lie_elsewhere_is_drawn_there_in_edits():
    prompt, _ = read("chest x-ray, left pleural effusion")
    whole = shade_of(prompt, box_of(1.0), 64, Hole.of(np.ones((64, 64), bool), ""))
    assert np.array_equal(whole.share, shade_of(prompt, box_of(1.0), 64, None).share)


@pytest.mark.parametrize(("text", "concept"), NAMED)
def test_what_is_removed_is_looked_for_wherever_it_may_have_been_drawn(text, concept):
    prompt, finding = read(text)
    mask = ellipse_of(prompt, finding, (64, 64), removed=True)
    for seed in range(6):
        drawn = shade_of(prompt, box_of(1.0), 64, np.random.default_rng(seed), dense=True).share
        assert (drawn * mask).sum() > 0.85 * drawn.sum()


def test_a_narrower_finding_is_drawn_where_the_wider_one_is():
    for narrow, wide in (("fibroadenoma", "benign mass"),):
        one, other = (
            shade_of(read(f"breast ultrasound, {word}")[0], box_of(1.0), 64, None, dense=True)
            for word in (narrow, wide)
        )
        assert np.array_equal(one.share, other.share)
    one, other = (
        shade_of(read(f"brain MRI, left {word}")[0], box_of(1.0), 64, None)
        for word in ("glioblastoma", "glioma")
    )
    assert np.array_equal(one.share, other.share)
    for word in ("vestibular schwannoma", "craniopharyngioma", "medulloblastoma"):
        assert rule_of(*read(f"brain MRI, {word}")) is None, "they lie elsewhere"


def test_what_is_learned_and_placed_is_asked_of_the_model_too():
    prompt, _ = read("brain MRI, right frontal meningioma")
    assert not placed(prompt) and by_rule(*read("brain MRI, right frontal meningioma"))
    assert placed(read("chest x-ray, right lung mass")[0])


@pytest.fixture(scope="module")
def engine():
    return load_engine(None)


def asked(engine, text, seed=3):
    return plan(text, engine.facts).ask(seed, Settings())


def slice_of_a_chest(side=96, left=0.3):
    """Two dark lungs in a bright body with black air around it."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    image = np.where(np.hypot((x - 0.5) / 0.45, (y - 0.5) / 0.35) < 1, 0.6, -1.0)
    for middle in (left, left + 0.4):
        image[np.hypot((x - middle) / 0.13, (y - 0.5) / 0.2) < 1] = -0.7
    return image.astype(np.float32)


@pytest.mark.parametrize("name", ["nodule", "mass"])
def test_a_nodule_of_ct_lies_in_a_lung_of_the_slice(name):
    image = slice_of_a_chest()
    lungs = image == np.float32(-0.7)
    for side, own in (("right", lungs[:, :48]), ("left", lungs[:, 48:])):
        prompt, finding = read(f"chest CT, axial, {side} lung {name}")
        assert can_place(prompt, finding) and placed(prompt)
        for seed in range(5):
            where = np.random.default_rng(seed)
            shading = Shading(prompt=prompt, box=box_of(1.0), where=where)
            shade = shading.on(image).share
            half = shade[:, :48] if side == "right" else shade[:, 48:]
            assert shade.max() > 0.5 and half.sum() > 0.99 * shade.sum()
            assert (half * own).sum() > 0.7 * half.sum()
    prompt, _ = read(f"chest CT, axial, lung {name}")
    assert placed(prompt), "of a slice the model learned of no nodules"
    assert by_hand(read(f"chest CT, sagittal, lung {name}")[0]) is None


def test_a_lobe_is_a_level_of_an_axial_slice_of_a_chest_and_of_nothing_else():
    prompt, finding = read("chest CT, axial, upper lobe nodule")
    assert not can_place(prompt, finding)
    for text in (
        "chest CT, coronal, right upper lobe nodule",
        "brain CT, axial, frontal lobe hemorrhage",
        "femur CT, distal fracture",
    ):
        prompt, finding = read(text)
        bare = replace(finding, sites=())
        assert place_of(prompt, finding) != place_of(prompt, bare), text


def test_what_nothing_else_draws_is_put_into_the_hole_of_an_edit():
    """Erased pixels of CT with a nodule, of which the model is not asked."""
    prompt, _ = read("chest CT, axial, lung nodule")
    mask = np.zeros((64, 64), bool)
    mask[36:52, 8:26] = True
    whole = Shading(prompt=prompt, box=box_of(1.0), where=Hole.of(mask, "", afresh=True))
    share = whole.on(slice_of_a_chest(64)).share
    assert share[mask].max() > 0.5 and share[~mask].sum() < 0.1 * share.sum()
    begun = replace(whole, where=Hole.of(mask, "", afresh=False))
    assert begun.on(slice_of_a_chest(64)) is None


def test_a_nodule_is_in_what_is_inpainted_in_ct(engine):
    pixels = np.clip(slice_of_a_chest() / 2 + 0.5, 0, 1)
    mask = np.zeros(pixels.shape, np.bool_)
    mask[34:64, 20:40] = True
    given = Given(pixels=pixels, mask=mask)
    drawn = [
        engine.fill(given, asked(engine, f"chest CT, axial, {state}")).pixels[mask]
        for state in ("lung nodule", "normal")
    ]
    assert (drawn[0] - drawn[1]).max() > 0.1


def test_what_a_finding_taken_out_implies_is_taken_out_too(engine):
    ask = plainly(asked(engine, "chest CT, axial, benign lung nodule, emphysema"))
    assert "finding:emphysema" in ask.concepts
    assert not {"finding:lung-nodule", "finding:benign-lung-nodule"} & set(ask.concepts)


def test_a_denied_word_of_a_models_own_needs_no_vocabulary(engine, monkeypatch):
    """It is known while the model reads, not to whoever hands its engine an ask."""
    model, own = engine._model, "finding:something-of-my-own"
    ask = replace(asked(engine, "chest x-ray, no pneumonia"), absent=(own, "finding:pneumonia"))
    monkeypatch.setattr(Components, "learned", lambda self, findings, shown: tuple(findings))
    monkeypatch.setitem(model.table, own, 1)
    ((rows, share),) = model.findings(ask, 0, box_of(1.0), None).against
    assert share == 1 and model.table["finding:pneumonia"] in rows[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chest CT, axial, left upper lobe lung nodule", "site is recorded, not drawn"),
        ("chest CT, axial, bilateral lung nodules", None),
        ("chest x-ray, left upper lobe lung nodule", None),
        ("chest x-ray, bilateral lung nodules", None),
        ("chest CT, axial, upper lobe lung nodule", "where it lies is recorded, not drawn"),
    ],
)
def test_what_is_not_drawn_of_a_place_is_said(engine, text, said):
    told = " ".join(plan(text, engine.facts).warnings)
    assert said in told if said else "recorded, not drawn" not in told


def test_the_network_is_guided_away_from_the_same_image_without_findings(engine):
    class Network:
        def run(self, _, feed):
            return [np.full((1, 1, 32, 32), float(feed["concepts"][0, 0]), np.float32)]

    stage = BaseStage.__new__(BaseStage)
    stage._session, stage._prior, stage._floor = Network(), engine._model.prior, 0.05
    stage.side = 32
    ids, plain = (np.array([[n] + [0] * 15]) for n in (5, 2))
    beside = Conditional(engine._model.prior, np.zeros(1024, np.float32), np.ones(1024, np.float32))
    x = np.zeros((32, 32), np.float32)

    def drawn(ids, against=(), shade=None):
        return stage._denoiser(0, ids, beside, 1.0, against, shade)(x, 0.5)

    shown = drawn(ids)
    error = engine._model.prior.error(np.array([0.5], np.float32), np.array([0]))[0]
    healthy, other = (plain, 0.5), (np.array([[4] + [0] * 15]), 1.0)
    guided = drawn(ids, [healthy])
    assert guided == pytest.approx(shown + error * FINDING_GUIDANCE * 0.5 * 3, abs=1e-4)
    further = drawn(ids, [healthy, other])
    assert further == pytest.approx(guided + error * FINDING_GUIDANCE * 1.0 * 1, abs=1e-4)
    shade = np.zeros((32, 32), np.float32)
    shade[:, 16:] = 0.5
    both = drawn(ids, [healthy], dark(shade))
    assert both == pytest.approx(dark(shade).apply(guided), abs=1e-5)


def test_what_is_told_where_to_lie_is_asked_of_the_model_as_normal(engine):
    ask = plainly(asked(engine, "chest x-ray, adult, right pleural effusion"))
    assert "finding:normal" in ask.concepts
    assert not {c for c in ask.concepts if c.startswith("finding:")} - {"finding:normal"}
    ask = plainly(asked(engine, "chest x-ray, right pleural effusion and cardiomegaly"))
    assert "finding:cardiomegaly" in ask.concepts
    assert "finding:pleural-effusion" not in ask.concepts
    for text in ("chest x-ray, pleural effusion", "chest x-ray, normal", "knee x-ray"):
        own = asked(engine, text)
        assert plainly(own) is own


def told(engine, text):
    """What an image is drawn away from, as sets of concepts, and how much."""
    model, ask = engine._model, plainly(asked(engine, text))
    component = int(np.argmax(model.components.scores(ask.concepts, ask.absent, None)))
    found = model.findings(ask, component, box_of(1.0), np.random.default_rng(0))
    style = set(model.components.style(component))
    rows = [({c for c, row in model.table.items() if row in ids[0]}, n) for ids, n in found.against]
    assert all(style <= named for named, _ in rows)
    return rows


@pytest.mark.parametrize(
    ("text", "finding", "others"),
    [
        ("breast ultrasound, benign mass", "benign-breast-mass", ["malignant-breast-mass"]),
        ("brain MRI, glioma", "glioma", ["meningioma", "pituitary-tumor"]),
        ("chest x-ray, viral pneumonia", "viral-pneumonia", ["bacterial-pneumonia"]),
    ],
)
def test_a_finding_is_drawn_away_from_what_it_is_taken_for(engine, text, finding, others):
    healthy, alike = told(engine, text)
    assert "finding:normal" in healthy[0] and healthy[1] < alike[1]
    assert {f"finding:{name}" for name in others} <= alike[0]
    assert not {f"finding:{finding}", "finding:normal"} & alike[0]


def test_what_is_denied_beside_a_finding_is_drawn_away_from_too(engine):
    (healthy, _), (alike, _) = told(engine, "chest x-ray, cardiomegaly, no pneumonia")
    assert "finding:normal" in healthy and "finding:pneumonia" in alike
    assert "finding:cardiomegaly" not in healthy | alike
    ((healthy, share),) = told(engine, "chest x-ray, cardiomegaly")
    assert "finding:normal" in healthy and share == 1


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("breast ultrasound, normal", ["breast-mass", "benign-breast-mass"]),
        ("knee x-ray, normal", ["osteoarthritis"]),
        ("brain MRI, normal", []),
        ("brain MRI, normal, no glioma", ["glioma", "brain-tumor"]),
        ("chest CT, normal", ["lung-cancer", "lung-nodule"]),
        ("chest CT, left nodule", []),
        ("shoulder x-ray, normal", []),
        ("breast ultrasound", []),
    ],
)
def test_a_normal_image_is_drawn_away_from_what_is_commonest_beside_it(engine, text, findings):
    """Where that differs from it by what it shows alone, and nothing is put in by rule."""
    against = told(engine, text)
    shown = {c for named, _ in against for c in named if c.startswith("finding:")}
    assert shown == {f"finding:{name}" for name in findings}
    assert all(share == 1 for _, share in against)


def components_of(rows, *, table):
    """Components of 100 images each; rows: how many of them show each concept of the table."""
    return Components(
        {c: i for i, c in enumerate(table, 1)},
        {
            "component_counts": np.array(rows),
            "component_images": np.full(len(rows), 100),
            "component_aspect": np.ones(len(rows)),
        },
    )


def test_kin_are_others_that_the_kind_of_image_was_learned_with():
    """Not what a finding implies, what implies it, or what hardly anything showed there."""
    table = ["modality:mri", "modality:ct"]
    table += [f"finding:{name}" for name in ("brain-tumor", "glioma", "meningioma")]
    components = components_of([[100, 0, 100, 60, 39], [0, 100, 90, 45, 45]], table=table)

    def kin(*names, modality="mri"):
        found = components.kin([f"finding:{n}" for n in names], [f"modality:{modality}"])
        return {c.partition(":")[2] for c in found}

    assert kin("glioma", "brain-tumor", modality="ct") == {"meningioma", "brain-tumor"}
    assert kin("glioma", "brain-tumor") == set(), "39 are too few"
    assert kin("meningioma", "brain-tumor") == set(), "to be told from others, too"
    assert kin("brain-tumor") == kin("of-my-own") == kin() == set()
    assert kin("glioma", "meningioma", modality="ct") == set()


def test_what_is_commonest_beside_a_component_is_of_its_source_and_technique():
    table = ["modality:mri", "body_part:brain", "technique:flair", "style:one", "style:two"]
    table += ["finding:glioma", "finding:brain-tumor", "finding:meningioma", "finding:infarct"]
    table += ["finding:normal"]
    components = components_of(
        [
            [100, 100, 0, 100, 0, 0, 0, 0, 0, 39],
            [100, 100, 0, 100, 0, 30, 39, 0, 80, 1],
            [100, 100, 0, 90, 10, 30, 90, 39, 0, 0],
            [100, 100, 90, 100, 0, 0, 100, 100, 0, 50],  # another technique
            [100, 100, 0, 0, 100, 0, 100, 100, 0, 39],  # another source, with too few normal ones
            [100, 100, 0, 50, 50, 0, 100, 0, 0, 90],  # of two
        ],
        table=table,
    )

    def names(component):
        return [c.partition(":")[2] for c in components.commonest_beside(component)]

    assert names(0) == names(2) == ["brain-tumor", "infarct"], "glioma is the third"
    assert names(3) == ["brain-tumor", "meningioma"]
    assert names(4) == names(5) == []


NORMALS = ["modality:x-ray", "body_part:hand", "body_part:knee", "finding:normal"]
NORMALS += ["view:ap", "view:lateral", "style:one", "style:two"]


def test_normal_comes_before_style_but_not_before_the_body_part_or_view():
    components = components_of(
        [
            [100, 100, 0, 0, 100, 0, 100, 0],  # hands: nothing is said of them
            [100, 0, 100, 100, 100, 0, 100, 0],  # normal knees
            [100, 0, 100, 2, 100, 0, 0, 100],  # knees of the other style, mostly ill
            [100, 0, 100, 0, 0, 100, 0, 100],  # ill knees from the side
        ],
        table=NORMALS,
    )

    def best(*concepts):
        scores = components.scores(("modality:x-ray", "finding:normal", *concepts), (), None)
        return int(scores.argmax())

    assert best("body_part:hand") == best("body_part:hand", "view:ap") == 0
    assert best("body_part:knee") == best("body_part:knee", "style:two") == 1
    assert best("body_part:knee", "view:lateral") == 3


def test_what_is_drawn_is_of_the_kind_that_was_asked_whatever_else_is_said(engine):
    """What most simulated or rare parts lack is normals, children and many findings."""
    components, facts = engine._model.components, engine.facts
    held = [key.split() for key in facts.together if key.startswith("modality:")]
    kinds = [ids for ids in held if len(ids) == 2]
    drawn = 0
    for modality, part in kinds:
        own = components._mostly((modality, part), ("modality", "body_part"))
        for said in ((), ("finding:normal",), ("finding:normal", "age_group:child", "sex:female")):
            scores = components.scores((modality, part, *said), ("finding:pneumonia",), 1.0)
            weight = np.exp(scores - scores.max())
            assert not own.any() or weight[~own].sum() == 0
            drawn += own.any()
    assert drawn > 90


def test_what_few_images_showed_is_not_drawn_away_from(engine):
    healthy, alike = told(engine, "breast ultrasound, benign mass, no breast cyst")
    assert healthy[1] == 0.5 and "finding:malignant-breast-mass" in alike[0]
    assert "finding:breast-cyst" not in alike[0]
    _, alike = told(engine, "chest x-ray, viral pneumonia, no bacterial pneumonia")
    assert {"finding:bacterial-pneumonia", "finding:covid-19-pneumonia"} <= alike[0]
    assert "finding:viral-pneumonia" not in alike[0]
    ((_, share),) = told(engine, "chest CT, COVID-19")
    assert share == 1, "of other pneumonias no CT was seen"


def test_findings_have_a_healthy_twin_and_nothing_else_has(engine):
    model = engine._model
    ask = asked(engine, "chest x-ray, adult, pneumonia")
    component = int(np.argmax(model.components.scores(ask.concepts, (), None)))
    found = model.findings(ask, component, box_of(1.0), np.random.default_rng(0))
    ((named, _),) = told(engine, "chest x-ray, adult, pneumonia")
    assert "finding:normal" in named
    assert "finding:pneumonia" not in named
    assert {"body_part:chest", "age_group:adult"} <= named
    assert found.shading.on(np.zeros((32, 32), np.float32)) is None
    for text in ("chest x-ray, normal", "knee x-ray", "chest x-ray without gout"):
        assert told(engine, text) == []


def test_what_is_there_already_is_not_drawn_again(engine):
    """Another version of a chest with a nodule, or one with more beside it."""
    prompt, _ = read("chest x-ray, left lung nodule, right pleural effusion")
    whole = np.ones((64, 64), bool)
    begun = Hole.of(whole, "", afresh=False)
    assert shade_of(prompt, box_of(1.0), 64, begun) is None
    added = Hole.of(whole, "finding:pleural-effusion", afresh=False)
    share = shade_of(prompt, box_of(1.0), 64, added).share
    assert share[:, :30].any() and not share[:, 37:].any()
    ask = asked(engine, "chest x-ray, left lung nodule, right pleural effusion")
    assert plainly(ask, "") is ask, "of what is there the model is told"
    kept = plainly(ask, "finding:pleural-effusion").concepts
    assert "finding:lung-nodule" in kept and "finding:pleural-effusion" not in kept


def test_what_is_denied_is_drawn_away_from_as_it_was_learned(engine):
    model = engine._model
    assert model.components.graded("finding:osteoarthritis")
    assert not model.components.graded("finding:pneumonia")
    assert not model.components.graded("finding:nothing")
    ((named, _),) = told(engine, "knee x-ray, no osteoarthritis")
    assert {"finding:osteoarthritis", "severity:moderate"} <= named
    many = "chest x-ray, no pneumonia, no mass, no nodule, no effusion, no fracture"
    assert len(told(engine, many)) == 1


def test_what_is_denied_changes_what_is_drawn(engine, monkeypatch):
    ask = asked(engine, "chest x-ray, child, no pneumonia")
    guided = engine.generate(ask)
    monkeypatch.setattr("radsmith.engines.default.stages.FINDING_GUIDANCE", 0.0)
    assert 0.002 < np.abs(guided - engine.generate(ask)).mean() < 0.2


def test_what_is_denied_is_drawn_away_from(engine):
    ((named, _),) = told(engine, "chest x-ray, adult, no pneumonia")
    assert {"finding:pneumonia", "body_part:chest", "age_group:adult"} <= named
    assert "finding:normal" not in named


@pytest.mark.parametrize(
    ("finding", "least"),
    [("pleural effusion", 0.01), ("lung mass", 0.003), ("consolidation", 0.03)],
)
def test_the_asked_side_is_the_whiter_one(engine, finding, least):
    for seed in range(2):
        right, left = (
            engine.generate(asked(engine, f"chest x-ray, PA view, adult, {side} {finding}", seed))
            for side in ("right", "left")
        )
        middle = right.shape[1] // 2
        change = right - left
        assert change[:, :middle].mean() > least
        assert change[:, middle:].mean() < -least


def test_an_added_finding_lies_where_it_was_asked_and_the_rest_is_untouched(engine):
    chest = engine.generate(asked(engine, "chest x-ray, PA view, adult, normal"))
    mask = np.zeros(chest.shape, bool)
    mask[120:240, 20:120] = True
    drawn = {
        text: engine.fill(Given(pixels=chest, mask=mask), asked(engine, text)).pixels
        for text in ("chest x-ray, PA view, adult, right pleural effusion",
                     "chest x-ray, PA view, adult, normal")
    }  # fmt: skip
    ill, well = drawn.values()
    assert np.array_equal(ill[~mask], chest[~mask])
    assert ill[mask].mean() > well[mask].mean() + 0.01


def test_what_is_drawn_by_rule_is_said(engine):
    for text, said in (
        ("chest x-ray, adult, right pleural effusion", True),
        ("chest x-ray, adult, lung mass", True),
        ("chest x-ray, adult, pneumonia", False),
        ("knee x-ray, osteoarthritis", False),
        ("brain MRI, meningioma", True),
        ("brain MRI, no meningioma", False),
        ("breast ultrasound, benign mass", False),  # in edits alone
        ("breast ultrasound, malignant mass", False),
    ):
        warnings = plan(text, engine.facts).warnings
        assert any("by rule" in warning for warning in warnings) == said, text
