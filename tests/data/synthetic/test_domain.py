"""What the domains hold: subjects, cameras, lights and effects; simple is as it always was."""

import sys
import time

import numpy as np
import pytest

from handpose.data.base import SPLITS
from handpose.data.sources.synthetic import render_sample
from handpose.data.synthetic import places
from handpose.data.synthetic.camera import (
    RIG,
    choose_camera,
    compressed,
    lens_blurred,
    motion_blurred,
)
from handpose.data.synthetic.domain import DOMAINS, SIMPLE, Draws, happens, split_draws
from handpose.data.synthetic.lights import STUDIO, sample_lighting
from handpose.data.synthetic.person import Person, sample_person, subject
from handpose.data.synthetic.render import RenderedHand, render_hand
from handpose.data.synthetic.surface import MARKINGS_SHAPE

LAB, WILD = DOMAINS["lab"], DOMAINS["wild"]
# Mean and standard deviation of the pixels, and mm to the wrist, of simple's hands before there
# were domains; tests/end_to_end/test_golden.py holds them to the bit.
SIMPLE_HANDS = [
    (92.78, 56.34, 476.76),
    (107.62, 38.31, 507.54),
    (64.50, 35.15, 630.67),
    (160.71, 38.00, 704.42),
    (65.73, 45.14, 554.09),
    (39.09, 37.79, 878.15),
]


def _render(domain: str, index: int, *, size: int = 48, seed: int = 0) -> RenderedHand:
    return render_sample("train", index, size=size, orientation="frontal", seed=seed, domain=domain)


def _differ(a: RenderedHand, b: RenderedHand) -> float:
    return float((a.image != b.image).mean())


def test_simple_renders_what_it_did_before_there_were_domains() -> None:
    found = []
    for index in range(len(SIMPLE_HANDS)):
        rng = np.random.default_rng([0, 0, index])
        hand = render_hand(rng, size=48, orientation="frontal", domain=SIMPLE)
        found.append((hand.image.mean(), hand.image.std(), 1e3 * hand.xyz[0, 2]))
    np.testing.assert_allclose(found, SIMPLE_HANDS, atol=0.02)


def test_a_probability_of_zero_draws_no_number() -> None:
    rng, fresh = np.random.default_rng(1), np.random.default_rng(1)
    assert not happens(rng, 0.0)
    assert rng.random() == fresh.random()
    assert happens(rng, 1.0)


def test_parts_of_simple_share_one_generator_and_those_of_others_do_not() -> None:
    rng = np.random.default_rng(0)
    assert all(draw is rng for draw in split_draws(rng, SIMPLE))
    draws = split_draws(np.random.default_rng(0), WILD)
    assert len({draw.random() for draw in draws}) == len(Draws._fields)


@pytest.mark.parametrize("domain", ["lab", "wild"])
def test_a_hand_depends_on_domain_seed_and_index_alone(domain: str) -> None:
    one = _render(domain, 3)
    assert _differ(one, _render(domain, 3)) == 0
    assert all(
        _differ(one, other) > 0.5
        for other in (_render(domain, 4), _render(domain, 3, seed=1), _render("simple", 3))
    )


def test_effects_of_the_camera_leave_pose_and_labels_as_they_are() -> None:
    rough, clean = (
        WILD._replace(lens_blur=p, motion_blur=p, compression=p, occluder=p) for p in (1.0, 0.0)
    )
    hands = [
        render_hand(np.random.default_rng(5), size=48, orientation="frontal", domain=domain)
        for domain in (rough, clean)
    ]
    assert _differ(*hands) > 0.5
    for name in ("uv", "xyz", "K", "side"):
        assert np.array_equal(getattr(hands[0], name), getattr(hands[1], name))


def _build(person: Person) -> bytes:
    return person.proportions.lengths.tobytes() + person.skin.back.tobytes()


def test_subjects_are_disjoint_between_splits_and_the_same_for_every_image() -> None:
    people = [
        [_build(subject("lab", split, number, MARKINGS_SHAPE)) for number in range(count)]
        for split, count in enumerate(LAB.subjects)
    ]
    everybody = [person for pool in people for person in pool]
    assert len(everybody) == len(set(everybody)) == 14
    subject.cache_clear()
    assert _build(subject("lab", 1, 2, MARKINGS_SHAPE)) == people[1][2]


def test_a_subject_keeps_bones_and_garments_in_every_image() -> None:
    pool = LAB.subjects[0]

    def bones(index: int) -> np.ndarray:
        chains = _render("lab", index).xyz[1:].reshape(5, 4, 3)
        return np.linalg.norm(np.diff(chains, axis=1), axis=-1)

    np.testing.assert_allclose(bones(2), bones(2 + pool), atol=1e-5)
    assert np.abs(bones(2) - bones(3)).max() > 1e-4


def test_wild_hands_have_all_tones_and_some_have_polish_or_a_ring() -> None:
    rng = np.random.default_rng(0)
    people = [sample_person(rng, (4, 4), adornment=0.3) for _ in range(60)]
    tones = np.array([person.skin.back.mean() for person in people])
    assert tones.min() < 0.06
    assert tones.max() > 0.55
    assert 5 < sum(person.skin.ring is not None for person in people) < 35


def test_lab_has_few_cameras_and_lights_and_wild_has_its_own_for_every_image() -> None:
    rng = np.random.default_rng(0)
    cameras = {choose_camera(rng, LAB) for _ in range(60)}
    assert cameras == set(RIG)
    assert len(RIG) == LAB.cameras == 4
    assert choose_camera(rng, WILD) is None
    studio = {id(sample_lighting(rng, LAB.lights)) for _ in range(60)}
    assert studio == {id(lighting) for lighting in STUDIO}
    assert len(studio) == 3
    wild = [sample_lighting(rng, WILD.lights) for _ in range(200)]
    levels = [float(np.mean(light.ambient)) for light in wild]
    assert len(set(levels)) == 200
    assert min(levels) < 0.1 < 0.7 < max(levels)
    assert 0.2 < np.mean([light.hard for light in wild]) < 0.6
    behind = [light.lights[0].direction[2] > 0 for light in wild]
    assert 0 < np.mean(behind) < 0.2


def test_backdrops_of_wild_vary_far_more_than_those_of_lab() -> None:
    def spread(kind: str) -> tuple[float, float]:
        rng = np.random.default_rng(0)
        images = np.stack([places.paint_place(rng, 32, kind) for _ in range(60)])
        assert images.min() >= 0
        assert images.max() <= 255
        return float(images.std(axis=(1, 2)).mean()), float(images.mean(axis=(1, 2)).std())

    inside, between = zip(spread("studio"), spread("any"), strict=True)
    assert inside[1] > 4 * inside[0]
    assert between[1] > between[0]


def test_an_image_may_be_as_small_as_the_configuration_allows() -> None:
    for domain in ("lab", "wild"):
        images = [_render(domain, index, size=32).image for index in range(12)]
        assert all(image.shape == (32, 32, 3) and image.std() > 3 for image in images)


def test_lens_blur_averages_over_a_disc() -> None:
    point = np.zeros((21, 21, 3), np.float32)
    point[10, 10] = 1.0
    blurred = lens_blurred(point, 3.0)[..., 0]
    v, u = np.mgrid[:21, :21] - 10
    distance = np.hypot(u, v)
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    inner = blurred[distance <= 2.5]
    assert inner.min() == pytest.approx(inner.max())
    assert not blurred[distance > 3.5].any()
    np.testing.assert_allclose(lens_blurred(point + 5, 3.0)[0], 5, atol=1e-5)  # keeps the level


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, 0.7])
def test_motion_blur_is_a_line_about_the_point(angle: float) -> None:
    point = np.zeros((31, 31, 3), np.float32)
    point[15, 15] = 1.0
    blurred = motion_blurred(point, 8.0, angle)[..., 0]
    v, u = np.mgrid[:31, :31] - 15
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    assert (blurred * u).sum() == pytest.approx(0, abs=1e-5)
    assert (blurred * v).sum() == pytest.approx(0, abs=1e-5)
    along, aside = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    assert (blurred * along**2).sum() == pytest.approx(8.0**2 / 12, rel=0.15)
    assert (blurred * aside**2).sum() < 0.3


def test_compression_keeps_the_image_and_loses_detail_of_colour_first() -> None:
    rng = np.random.default_rng(0)
    smooth = np.repeat(np.linspace(40, 210, 64)[None, :, None], 64, 0) * np.ones(3)
    image = (smooth + rng.normal(0, 12, (64, 64, 3))).clip(0, 255).astype(np.uint8)
    for _ in range(8):
        coded = compressed(rng, image)
        assert coded.shape == image.shape
        assert coded.dtype == np.uint8
        assert abs(coded.astype(float) - smooth).mean() < 8
        chroma = [np.ptp(x.astype(float), axis=2).mean() for x in (image, coded)]
        assert chroma[1] < 0.6 * chroma[0]


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_an_image_of_96_px_takes_at_most_15_ms_of_a_core(domain: str) -> None:
    if sys.gettrace():
        pytest.skip("a debugger or coverage makes this slow")
    _render(domain, 0, size=96)
    times = []
    for index in range(40):
        start = time.process_time()
        _render(domain, index, size=96)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.015


def test_splits_are_numbered_as_subjects_are_counted() -> None:
    assert SPLITS == ("train", "val", "test")
    assert all(len(domain.subjects) == 3 for domain in DOMAINS.values())
