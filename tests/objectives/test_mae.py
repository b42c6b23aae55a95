"""Masked autoencoding of a tiny ViT: what is hidden, what is predicted, and with which weights."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from several_ranks import Outcome, difference, freeze_statistics, model_outcome
from timm.models import _registry
from tiny_backbone import TinyBackbone
from torch import Tensor, nn

from handpose.backbones.base import Backbone
from handpose.config.checks.backbone_fit import _fitting
from handpose.objectives.hybrid import Hybrid
from handpose.objectives.mae import MaskedAutoencoder, hidden_patches, masking, plain_vit
from handpose.records import Features, Views
from handpose.training.pretrainer import Pretrainer

SIZE, PATCH, PAIRS = 64, 16, 4
PATCHES = (SIZE // PATCH) ** 2


class ViT(Backbone):
    """A tiny ViT of timm."""

    channels, strides, embedding_dim = (16,), (PATCH,), 16

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.network = timm.create_model(
            "vit_tiny_patch16_224",
            **dict(embed_dim=16, depth=2, num_heads=2, num_classes=0, dynamic_img_size=True),
            **options,
        )

    def forward(self, image: Tensor) -> tuple[Features, Tensor]:
        tokens = self.network.forward_features(image)
        level = tokens[:, 1:].mT.unflatten(2, (SIZE // PATCH, SIZE // PATCH))
        return (level,), self.network.forward_head(tokens, pre_logits=True)


@pytest.fixture
def backbone() -> ViT:
    torch.manual_seed(0)
    return ViT()


def make(settings: Any, **options: Any) -> MaskedAutoencoder:
    torch.manual_seed(1)
    objective = MaskedAutoencoder(
        **dict(decoder_width=8, decoder_depth=1, decoder_heads=2) | options,
        **dict(channels=(16,), strides=(PATCH,), embedding_dim=16, image_size=SIZE),
        augmentation=settings,
    )
    nn.init.normal_(objective.decoder_blocks.mask_token)
    return objective


@pytest.fixture
def views(views_of: Callable, make_settings: Callable) -> Views:
    """Pairs of random pixels."""
    made = views_of(make_settings("rotate"), PAIRS)
    image = torch.randint(0, 256, (PAIRS, 2, 3, SIZE, SIZE), dtype=torch.uint8)
    return made._replace(image=image)


@pytest.mark.parametrize(
    "options",
    [{}, dict(reg_tokens=3), dict(class_token=False, global_pool="avg"), dict(no_embed_class=True)],
)
def test_with_nothing_hidden_lightlys_encoder_is_timms(options: dict) -> None:
    vit = ViT(**options).network.eval()
    image = torch.randn(2, 3, SIZE, SIZE)
    expected = vit.forward_features(image)
    keys = list(vit.state_dict())
    everything = torch.arange(expected.shape[1]).expand(2, -1)
    torch.testing.assert_close(masking(vit).encode(image, idx_keep=everything), expected)
    shuffled = everything.flip(1)
    found = masking(vit).encode(image, idx_keep=shuffled)
    torch.testing.assert_close(found, expected.flip(1), rtol=1e-4, atol=1e-5)
    assert list(vit.state_dict()) == keys


def test_loss_is_that_of_loops_over_hidden_patches(
    backbone: ViT, views: Views, make_settings: Callable
) -> None:
    objective = make(make_settings("rotate"))
    features, embedding = objective.encode(backbone, views.image)
    terms = objective(features, embedding, views)
    tokens, places = (part.flatten(0, 1) for part in features)
    predicted = objective.reconstruct(tokens, places)
    assert places.shape == (2 * PAIRS, PATCHES // 4)
    errors = []
    for view, image in enumerate(views.image.flatten(0, 1).double() / 255):
        for patch in range(PATCHES):
            if patch in places[view].tolist():
                continue
            v, u = (PATCH * place for place in divmod(patch, SIZE // PATCH))
            pixels = image[:, v : v + PATCH, u : u + PATCH].permute(1, 2, 0).flatten()
            target = (pixels - pixels.mean()) / (pixels.var() + 1 / 12 / 255**2).sqrt()
            errors.append((predicted[view, patch] - target).square().mean())
    assert len(errors) == 2 * PAIRS * (PATCHES - PATCHES // 4)
    expected = float(torch.stack(errors).mean().detach())
    assert float(terms["loss"].detach()) == pytest.approx(expected, rel=1e-5)
    assert float(terms["reconstruction_chance"]) == pytest.approx(1, rel=5e-3)


def test_hidden_pixels_do_not_reach_the_prediction_nor_visible_ones_the_target(
    backbone: ViT, views: Views, make_settings: Callable
) -> None:
    objective = make(make_settings("rotate"), normalise_patches=False).eval()
    (tokens, places), embedding = objective.encode(backbone.eval(), views.image)

    def loss_on(image: Tensor) -> Tensor:
        shown = views._replace(image=image)
        return objective((tokens, places), embedding, shown)["loss"].detach()

    hidden = hidden_patches(places.flatten(0, 1), PATCHES).unflatten(1, (4, 4))
    pixels = hidden.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)
    pixels = pixels.unflatten(0, (PAIRS, 2))[:, :, None].expand_as(views.image)
    noise = torch.randint_like(views.image, 256)
    other_hidden = torch.where(pixels, noise, views.image)
    other_visible = torch.where(pixels, views.image, noise)
    (found, same), _ = objective.encode(backbone, other_hidden)
    assert torch.equal(places, same)
    torch.testing.assert_close(found, tokens)
    torch.testing.assert_close(loss_on(other_visible), loss_on(views.image))
    assert float((loss_on(other_hidden) - loss_on(views.image)).abs()) > 1e-4
    (moved, _), _ = objective.encode(backbone, other_visible)
    assert float((moved - tokens).detach().abs().max()) > 1e-2


def test_masks_are_drawn_in_training_and_fixed_in_evaluation(
    backbone: ViT, views: Views, make_settings: Callable
) -> None:
    objective = make(make_settings("rotate"))

    def drawn() -> Tensor:
        return objective.encode(backbone, views.image)[0][1]

    torch.manual_seed(3)
    one, other = drawn(), drawn()
    torch.manual_seed(3)
    assert torch.equal(one, drawn())
    assert not torch.equal(one, other)
    assert not torch.equal(one[:, 0], one[:, 1])  # each view has its own
    objective.eval()
    state = torch.get_rng_state()
    assert torch.equal(drawn(), drawn())
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        _, embedding = objective.encode(backbone.eval(), views.image)
    torch.testing.assert_close(embedding, backbone.encode(views.image)[1])


def pretrainer(settings: Any, **options: Any) -> Pretrainer:
    parts = {"mae": make(settings)}
    torch.manual_seed(0)
    return Pretrainer(
        backbone=ViT(),
        objective=Hybrid(parts=parts, weights={"mae": 1.0}),
        optimizer=torch.optim.SGD,
        warmup_epochs=0,
        **options,
    )


@pytest.mark.parametrize("options", [{}, dict(global_pool="avg"), dict(global_pool="map")])
def test_every_parameter_gets_a_gradient_and_the_backbone_alone_holds_its_weights(
    views: Views, make_settings: Callable, options: dict
) -> None:
    torch.manual_seed(0)
    backbone, objective = ViT(**options), make(make_settings("rotate"))
    before = list(backbone.state_dict())
    features, embedding = objective.encode(backbone, views.image)
    objective(features, embedding, views)["loss"].backward()
    for name, parameter in (*backbone.named_parameters(), *objective.named_parameters()):
        assert (parameter.grad is not None) is parameter.requires_grad, name
    assert float(backbone.network.cls_token.grad.abs().max()) > 0
    assert float(backbone.network.pos_embed.grad.abs().max()) > 0
    assert list(backbone.state_dict()) == before
    assert not any("blocks.0.attn" in n for n in objective.state_dict() if "decoder" not in n)


def masked_by_content(self: MaskedAutoencoder, backbone: Backbone, image: Tensor) -> Any:
    """`encode` with masks that each view's own pixels decide."""
    flat = image.flatten(0, 1)
    noise = flat.double().flatten(1).unfold(1, PATCH, PATCH).mean(-1)[:, :PATCHES]
    places = noise.argsort(1)[:, : PATCHES // 4]
    kept = torch.cat((torch.zeros_like(places[:, :1]), places + 1), dim=1)
    vit = plain_vit(backbone)
    pixels = backbone.normalise(flat).to(vit.pos_embed.dtype)
    tokens = masking(vit).encode(pixels, idx_keep=kept)
    leading = image.shape[:2]
    return (tokens.unflatten(0, leading), places.unflatten(0, leading)), tokens[:, 0].unflatten(
        0, leading
    )


class ByContent(MaskedAutoencoder):
    """Its masks do not depend on who draws them."""

    encode = masked_by_content


def loss_of(model: nn.Module, batch: Any) -> Tensor:
    return model(batch)["loss"]


def model_and_batch(settings: Any, views: Views, chunk: int | None) -> tuple[Pretrainer, Any]:
    model = pretrainer(settings, gradient_cache_chunk=chunk)
    model.objective.objectives["mae"].__class__ = ByContent
    return model.double(), {"mae": views}


@pytest.mark.slow
def test_two_ranks_and_chunks_have_the_gradients_of_one_process(
    views: Views, make_settings: Callable, two_ranks: Callable
) -> None:
    settings = make_settings("rotate")
    model, batch = model_and_batch(settings, views, None)
    one = model_outcome(freeze_statistics(model), loss_of, batch)
    model, batch = model_and_batch(settings, views, 1)
    chunks = model_outcome(freeze_statistics(model), loss_of, batch)
    model, batch = model_and_batch(settings, views, 1)
    several = two_ranks(model_outcome, freeze_statistics(model), loss_of, batch)
    assert max(difference(one, [chunks]), difference(one, several)) < 1e-10


def test_a_chunk_that_is_encoded_again_has_its_mask_again(
    views: Views, make_settings: Callable
) -> None:
    """Otherwise the gradients were those of other tokens than the loss saw."""

    def gradients(chunk: int | None) -> Outcome:
        model = pretrainer(make_settings("rotate"), gradient_cache_chunk=chunk).train()
        torch.manual_seed(5)
        return model_outcome(model, loss_of, {"mae": views})

    whole, one_chunk = gradients(None), gradients(PAIRS)
    assert difference(whole, [one_chunk]) < 1e-5


def test_half_precision_has_the_same_loss_and_gradients_nearly(
    backbone: ViT, views: Views, make_settings: Callable
) -> None:
    objective = make(make_settings("rotate"))
    losses = []
    for enabled in (False, True):
        torch.manual_seed(4)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            features, embedding = objective.encode(backbone, views.image)
            losses.append(objective(features, embedding, views)["loss"])
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(*losses, rtol=1e-2, atol=0)
    losses[1].backward()
    assert all(p.grad.isfinite().all() for p in backbone.parameters())


def test_a_few_steps_lower_the_loss(backbone: ViT, views: Views, make_settings: Callable) -> None:
    """Of images of stripes, where a visible patch tells of the hidden ones."""
    stripes = (torch.arange(SIZE) // 8 % 2 * 200).to(torch.uint8).expand_as(views.image)
    shown, objective = views._replace(image=stripes), make(make_settings("rotate"))
    optimizer = torch.optim.Adam([*backbone.parameters(), *objective.parameters()], lr=0.01)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = objective(*objective.encode(backbone, shown.image), shown)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_misfits_are_refused(views: Views, make_settings: Callable) -> None:
    settings = make_settings("rotate")
    with pytest.raises(ValueError, match="is a ModuleList; choose backbone=vit_small"):
        make(settings).encode(TinyBackbone(), views.image)
    distilled = ViT()
    distilled.network = timm.create_model("deit_tiny_distilled_patch16_224", depth=1)
    with pytest.raises(ValueError, match="is a VisionTransformerDistilled"):
        make(settings).encode(distilled, views.image)
    with pytest.raises(ValueError, match=r"mask_ratio=0\.95: 0 of 16 patches"):
        make(settings, mask_ratio=0.95)
    with pytest.raises(ValueError, match="multiple of 4 and of"):
        make(settings, decoder_width=9)


def test_the_names_that_fit_are_those_of_timms_plain_vits() -> None:
    fits = _fitting("handpose.objectives.mae.MaskedAutoencoder")
    fitting = {name for name in timm.list_models() if fits(name)}
    assert {"vit_small_patch16_224", "vit_base_patch14_dinov2", "test_vit"} <= fitting
    places = {_registry._model_to_module[name] for name in fitting}
    assert places == {"vision_transformer", "deit"}
    assert not fits("vit_small_patch16_dinov3")
    assert not fits("resnet18")
    assert _fitting("handpose.objectives.relative.Relative")("resnet18")
