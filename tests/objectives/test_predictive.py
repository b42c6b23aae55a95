"""The predictive objective: its loss by loops, the map's part in it, and what gets no gradient."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from several_ranks import Outcome, difference, freeze_statistics, share, trained_state
from tiny_backbone import TinyBackbone
from torch import Tensor

from handpose.distributed import collectives
from handpose.objectives.base import Teacher
from handpose.objectives.hybrid import Hybrid
from handpose.objectives.predictive import Predictive
from handpose.objectives.relative import relative_map
from handpose.records import ViewParams, Views
from handpose.training.pretrainer import Pretrainer

CONTRACT: dict[str, Any] = dict(channels=(4,), strides=(4,), embedding_dim=6, image_size=32)
SWITCHES = ("rotate", "crop", "random_crop", "colour_jitter", "colour_drop")
PAIRS = 6


def make(settings: Any, **options: Any) -> Predictive:
    torch.manual_seed(0)
    own = dict(hidden_dim=8, num_keypoints=0, knows_colour=True, decoder_width=4) | options
    return Predictive(**own, augmentation=settings, **CONTRACT).double()


def drawn(*, keypoints: bool = False) -> tuple[Any, Tensor, Teacher]:
    """Features, embedding and teacher of the pairs."""
    torch.manual_seed(1)

    def both() -> tuple[Any, Tensor]:
        level = torch.randn(PAIRS, 2, 4, 8, 8, dtype=torch.float64)
        return (level,) if keypoints else (), torch.randn(PAIRS, 2, 6, dtype=torch.float64)

    features, embedding = both()
    return features, embedding.requires_grad_(), Teacher(*both())


def standardised_by_loops(values: Tensor) -> Tensor:
    values = values.detach()
    found = values.clone()
    for column in range(values.shape[-1]):
        own = values[..., column]
        mean = sum(float(v) for v in own.flatten()) / own.numel()
        square = sum((float(v) - mean) ** 2 for v in own.flatten()) / own.numel()
        found[..., column] = (own - mean) / square**0.5
    return found


def numbers_of(params: ViewParams, pair: int, order: tuple[int, int]) -> Tensor:
    """The map of one ordered pair in units of the default ranges, and the masks of its colours."""
    one = ViewParams(*(column[pair : pair + 1, list(order)] for column in params))
    target = relative_map(one, 32)
    low, high = 0.9, 1.5
    log_scale = target.log_scale / math.log(high / low)
    hue = torch.tensor(torch.pi / 2)
    ranges = torch.stack(
        (hue, torch.tensor(5.0).log(), torch.tensor(2.0).log(), torch.tensor(15.0))
    )
    parts = (
        *(target.rotation, log_scale, target.shift / (0.2 / low)),
        *(target.colour / ranges, target.colour_valid.float()),
    )
    return torch.cat(parts, dim=1)


def test_the_gain_of_a_part_exchanges_that_part_alone(
    views_of: Callable, make_settings: Callable
) -> None:
    settings = make_settings(*SWITCHES)
    objective, views = make(settings).eval(), views_of(settings, PAIRS)
    maps = objective.known_map(views.params)
    columns = {"rotation": [0, 1], "log_scale": [2], "shift": [3, 4], "colour": [5, 6, 7, 8]}
    for name, own in columns.items():
        found = objective.known_map.exchanged(maps, torch.full_like(maps, 7), name)
        changed = (found != maps).any(0).nonzero().flatten().tolist()
        assert changed == own
    one = make_settings("rotate")
    terms = make(one).eval()((), *drawn()[1:2], views_of(one, PAIRS), drawn()[2])
    assert terms["map_gain_rotation"] == terms["map_gain"]
    assert set(terms) == {
        *("loss", "prediction_error", "prediction_chance", "map_gain", "map_gain_rotation")
    }


@torch.no_grad()
def test_loss_and_errors_are_those_of_loops_over_ordered_pairs(
    views_of: Callable, make_settings: Callable
) -> None:
    settings = make_settings(*SWITCHES)
    objective, views = make(settings).eval(), views_of(settings, PAIRS)
    features, embedding, teacher = drawn()
    terms = objective(features, embedding, views, teacher)
    own, taught = standardised_by_loops(embedding), standardised_by_loops(teacher.embedding)
    change = [
        sum(float(taught[p, 1, c] - taught[p, 0, c]) ** 2 for p in range(PAIRS)) / PAIRS
        for c in range(6)
    ]
    losses, errors, mistaken = [], [], []
    for pair in range(PAIRS):
        for order in ((0, 1), (1, 0)):
            for place, kept in ((pair, (losses, errors)), ((pair - 1) % PAIRS, (None, mistaken))):
                numbers = numbers_of(views.params, place, order).double()
                guess = objective.predictor(own[pair, order[0]][None], numbers)[0]
                for a, b, square in zip(guess, taught[pair, order[1]], change, strict=True):
                    gap = abs(float(a - b)) / (square + 1e-4) ** 0.5
                    kept[1].append(gap**2)
                    if kept[0] is not None:
                        kept[0].append(gap**2 / 2 if gap < 1 else gap - 0.5)
    mean = torch.tensor([sum(values) / len(values) for values in (losses, errors, mistaken)])
    assert float(terms["loss"].detach()) == pytest.approx(float(mean[0]), rel=1e-5)
    assert float(terms["prediction_error"]) == pytest.approx(float(mean[1]), rel=1e-5)
    assert float(terms["map_gain"]) == pytest.approx(float(mean[2] - mean[1]), rel=1e-4)
    assert float(terms["prediction_chance"]) == pytest.approx(1, rel=1e-3)


def test_a_masked_colour_is_told_apart_from_no_change(
    views_of: Callable, make_settings: Callable
) -> None:
    settings = make_settings(*SWITCHES, probability=1.0)
    grey = make(settings).known_map(views_of(settings, PAIRS).params)
    assert (grey[:, 5:7] == 0).all()  # hue and saturation
    assert torch.equal(grey[0, -4:], torch.tensor([0.0, 0.0, 1.0, 1.0]).double())
    coloured = make_settings("colour_jitter")
    seen = make(coloured).known_map(views_of(coloured, PAIRS).params)
    assert (seen[:, -4:] == 1).all()
    assert (seen[:, :4] != 0).all()


def test_the_identity_map_predicts_the_embedding_itself(
    views_of: Callable, make_settings: Callable
) -> None:
    """So two equal views of a student that is its own teacher have no error."""
    settings = make_settings(*SWITCHES)
    objective, views = make(settings).eval(), views_of(settings, PAIRS)
    same = views._replace(params=ViewParams(*(c[:, [0, 0]] for c in views.params)))
    _, embedding, _ = drawn()
    embedding = embedding.detach()[:, [0, 0]]
    with torch.no_grad():
        terms = objective((), embedding, same, Teacher((), embedding))
        moved = objective((), embedding, views, Teacher((), embedding))
    assert float(terms["loss"]) < 1e-20
    assert float(moved["loss"]) > 1e-6


@pytest.mark.parametrize("num_keypoints", [0, 3])
def test_swapped_views_have_the_same_loss(
    views_of: Callable, make_settings: Callable, num_keypoints: int
) -> None:
    settings = make_settings(*SWITCHES)
    objective = make(settings, num_keypoints=num_keypoints).eval()
    views = views_of(settings, PAIRS)
    features, embedding, teacher = drawn(keypoints=True)
    swapped = views._replace(params=ViewParams(*(column.flip(1) for column in views.params)))
    inputs = [
        (features, embedding, views, teacher),
        (
            tuple(level.flip(1) for level in features),
            embedding.flip(1),
            swapped,
            Teacher(tuple(level.flip(1) for level in teacher.features), teacher.embedding.flip(1)),
        ),
    ]
    one, other = (objective(*arguments)["loss"] for arguments in inputs)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=0)


@pytest.mark.parametrize("num_keypoints", [0, 3])
def test_all_of_the_student_gets_a_gradient_and_nothing_of_the_teacher(
    views_of: Callable, make_settings: Callable, num_keypoints: int
) -> None:
    settings = make_settings(*SWITCHES)
    objective = make(settings, num_keypoints=num_keypoints)
    features, embedding, teacher = drawn(keypoints=True)
    taught = Teacher(
        tuple(level.requires_grad_() for level in teacher.features),
        teacher.embedding.requires_grad_(),
    )
    objective(features, embedding, views_of(settings, PAIRS), taught)["loss"].backward()
    for name, parameter in objective.named_parameters():
        is_taught = name.startswith("teacher_keypoints")
        assert parameter.requires_grad is not is_taught, name
        assert is_taught or float(parameter.grad.abs().max()) > 0, name
    assert all(tensor.grad is None for tensor in (*taught.features, taught.embedding))
    assert (embedding.grad is None) is (num_keypoints > 0)


def test_the_teachers_keypoints_follow_the_students(make_settings: Callable) -> None:
    objective = make(make_settings("rotate"), num_keypoints=3)
    assert objective.keypoints is not None
    weight, taught = (
        module.maps.weight for module in (objective.keypoints, objective.teacher_keypoints.network)
    )
    before = taught.clone()
    weight.data += 1
    objective.update_teacher(torch.tensor(0.75, dtype=torch.float64))
    torch.testing.assert_close(taught, before + 0.25)
    assert objective.decoder is objective.keypoints.decoder
    assert make(make_settings("rotate")).decoder is None


def test_neither_a_constant_nor_an_invariant_embedding_lowers_the_error(
    views_of: Callable, make_settings: Callable
) -> None:
    """Both predict no change, whatever the map."""
    settings = make_settings("rotate")
    objective, views = make(settings).eval(), views_of(settings, PAIRS)
    objective.predictor.leave.weight.data.zero_()
    _, embedding, teacher = drawn()
    for change in (1.0, 0.1):  # of the teacher's embedding between views
        first = teacher.embedding[:, :1]
        taught = torch.cat((first, first + change * teacher.embedding[:, 1:]), dim=1)
        same = objective((), taught, views, Teacher((), taught))
        assert float(same["prediction_error"]) == pytest.approx(1, rel=0.05)
        constant = objective((), torch.ones_like(embedding), views, Teacher((), taught))
        assert float(constant["prediction_error"]) > 0.5


def test_the_scale_of_the_embedding_does_not_lower_the_loss(
    views_of: Callable, make_settings: Callable
) -> None:
    settings = make_settings("rotate")
    objective, views = make(settings).eval(), views_of(settings, PAIRS)
    _, embedding, teacher = drawn()
    small = Teacher((), 0.01 * teacher.embedding + 3)
    losses = [
        objective((), factor * embedding, views, taught)["loss"]
        for factor, taught in ((1, teacher), (0.01, small))
    ]
    torch.testing.assert_close(*losses, rtol=1e-3, atol=0)


def test_correlated_dimensions_are_penalised(views_of: Callable, make_settings: Callable) -> None:
    settings = make_settings("rotate")
    views = views_of(settings, PAIRS)
    _, embedding, teacher = drawn()
    copies = embedding[..., :1].expand(-1, -1, 6)
    plain, weighted = (make(settings, decorrelation=weight) for weight in (0.0, 0.5))
    found = [o((), copies, views, teacher)["loss"] for o in (plain, weighted)]
    torch.testing.assert_close(found[1] - found[0], torch.tensor(0.5, dtype=torch.float64))
    correlation = torch.corrcoef(embedding.detach().flatten(0, 1).T)
    expected = [float(correlation[i, j] ** 2) for i in range(6) for j in range(6) if i != j]
    found = [o((), embedding, views, teacher)["loss"] for o in (plain, weighted)]
    assert float(found[1] - found[0]) == pytest.approx(0.5 * sum(expected) / 30, rel=1e-5)


def test_without_a_map_it_is_refused(make_settings: Callable) -> None:
    with pytest.raises(ValueError, match="no map between the views"):
        make(make_settings("gaussian_blur"))
    with pytest.raises(ValueError, match="no map between the views"):
        make(make_settings("colour_jitter"), knows_colour=False)
    assert make(make_settings("rotate", "colour_jitter"), knows_colour=False).parts == ("rotation",)


def outcome(objective: Predictive, inputs: tuple) -> Outcome:
    """This rank's share, with what DDP would average averaged."""
    features, embedding, views, teacher = share(inputs)
    leaf = embedding.detach().clone().requires_grad_()
    loss = objective(features, leaf, views, teacher)["loss"]
    loss.backward()
    world = collectives.world_size()
    return Outcome(
        collectives.total(loss.detach()) / world,
        {"": leaf.grad / world},
        {n: collectives.total(p.grad) / world for n, p in objective.named_parameters()},
    )


def test_two_ranks_have_the_gradients_of_one(
    views_of: Callable, make_settings: Callable, two_ranks: Callable
) -> None:
    settings = make_settings(*SWITCHES)
    views: Views = views_of(settings, PAIRS)
    features, embedding, teacher = drawn()
    inputs = (features, embedding.detach(), views, teacher)
    objective = make(settings, decorrelation=0.5).train()
    several = two_ranks(outcome, objective, inputs)
    found = difference(outcome(objective, inputs), several)
    alone = difference(outcome(objective.eval(), inputs), two_ranks(outcome, objective, inputs))
    print(f"two ranks and one differ by {found:.1e}, without the other's statistics {alone:.1e}")
    assert found < 1e-10
    assert alone > 1e-3


def whole_model(settings: Any, chunk: int | None) -> Pretrainer:
    """With latent keypoints, in float64, with BatchNorm as in evaluation."""
    torch.manual_seed(0)
    backbone = TinyBackbone()
    objective = Predictive(
        **dict(hidden_dim=8, num_keypoints=3, decoder_width=4, teacher_momentum=0.5),
        **dict(image_size=32, augmentation=settings, **backbone.widths),
    )
    model = Pretrainer(
        backbone=backbone,
        objective=Hybrid(parts={"a": objective}, weights={"a": None}),
        optimizer=torch.optim.SGD,
        warmup_epochs=0,
        gradient_cache_chunk=chunk,
    )
    return freeze_statistics(model.double())


def loss_of(model: Any, batch: Any) -> Tensor:
    return model(batch)["loss"]


def test_student_and_teachers_of_two_ranks_are_those_of_one_also_in_chunks(
    views_of: Callable, make_settings: Callable, two_ranks: Callable
) -> None:
    settings = make_settings(*SWITCHES)
    batch = {"a": views_of(settings, 8)}
    one = trained_state(whole_model(settings, None), loss_of, batch, 0.9)
    chunks = trained_state(whole_model(settings, 3), loss_of, batch, 0.9)
    several = two_ranks(trained_state, whole_model(settings, 3), loss_of, batch, 0.9)
    assert max(difference(one, [chunks]), difference(one, several)) < 1e-6
    start = whole_model(settings, None).state_dict()
    for part in ("backbone.", "teachers.", "objective.parts.a.teacher_keypoints."):
        names = [name for name in start if name.startswith(part)]
        assert max(float((one.of_weights[n] - start[n]).abs().max()) for n in names) > 1e-4
