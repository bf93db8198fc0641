"""Students of texts compute what their definitions say, and never read the padding."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn

from limbeck.fingerprint import module_digest
from limbeck.students import Student, text_cnn, text_gru, text_transformer
from limbeck.students.architecture import from_architecture

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""

BUILD: dict[str, Callable[..., Student]] = {
    "cnn": lambda **more: text_cnn(40, 3, 6, embedding=5, **more),
    "even kernels": lambda **more: text_cnn(40, 3, 6, embedding=5, kernels=(2, 4, 6), **more),
    "gru": lambda **more: text_gru(40, 3, 6, embedding=5, **more),
    "transformer": lambda **more: text_transformer(40, 3, 8, max_length=30, **more),
}
TOKENS = [7, 21, 3, 3, 39, 12]


def ready(student: Student, seed: int = 0) -> nn.Module:
    """The module in evaluation mode, its biases not zero."""
    module = student.fresh(seed).module.eval()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for weight in module.parameters():
            if weight.ndim == 1:
                weight.add_(torch.rand_like(weight))
    return module.double()


@pytest.mark.parametrize(
    ("hidden", "count"),
    [(16, 7_314), (32, 16_674), (64, 41_538), (128, 115_842), (256, 362_754)],
)
def test_the_gru_has_as_many_weights_as_published(hidden: int, count: int) -> None:
    """Another read-out, or a second bias, is another model than the one that was measured."""
    assert text_gru(50, 2, hidden).parameters_count() - 50 * 128 == count


@pytest.mark.parametrize(("channels", "count"), [(64, 135_938), (128, 345_602), (256, 986_114)])
def test_the_cnn_has_as_many_weights_as_published(channels: int, count: int) -> None:
    """Another read-out is another model than the one that was measured."""
    assert text_cnn(50, 2, channels).parameters_count() - 50 * 128 == count


def leaky(value: Tensor) -> Tensor:
    return torch.where(value > 0, value, 0.2 * value)


def read_out(module: Any, value: Tensor) -> Tensor:
    hidden = leaky(module.layer1.linear.weight @ value + module.layer1.linear.bias)
    return module.output.weight @ hidden + module.output.bias


def test_the_cnn_is_its_definition_in_loops() -> None:
    """A padding of another width, or a maximum that includes it, still trains."""
    module: Any = ready(BUILD["cnn"](kernels=(3, 4)))
    embedded = module.embedding.weight[TOKENS]
    maxima = []
    for layer, width in zip(module.convolutions, (3, 4), strict=True):
        edge = torch.zeros(width // 2, 5, dtype=torch.float64)
        long = torch.cat([edge, embedded, edge])
        fits = [
            (layer.weight * long[start : start + width].T).sum(dim=(1, 2)) + layer.bias
            for start in range(len(long) - width + 1)
        ]
        maxima.append(leaky(torch.stack(fits)).amax(dim=0))
    expected = read_out(module, torch.cat(maxima))
    assert torch.allclose(module(torch.tensor([TOKENS]))[0], expected, rtol=1e-12)


def gru_state(module: Any, tokens: list[int]) -> Tensor:
    """The state after these tokens, by the equations of Cho et al. as torch states them."""
    gru, units = module.gru, module.gru.hidden_size
    state = torch.zeros(units, dtype=torch.float64)
    for token in tokens:
        given = gru.weight_ih_l0 @ module.embedding.weight[token] + gru.bias_ih_l0
        own = gru.weight_hh_l0 @ state + gru.bias_hh_l0
        reset = 1 / (1 + torch.exp(-(given[:units] + own[:units])))
        update = 1 / (1 + torch.exp(-(given[units : 2 * units] + own[units : 2 * units])))
        new = torch.tanh(given[2 * units :] + reset * own[2 * units :])
        state = (1 - update) * new + update * state
    return state


def test_the_gru_is_its_equations_token_by_token() -> None:
    """The state of another token, or of another layer, still trains."""
    module = ready(BUILD["gru"]())
    expected = read_out(module, leaky(gru_state(module, TOKENS)))
    assert torch.allclose(module(torch.tensor([TOKENS]))[0], expected, rtol=1e-12)


def test_a_faithful_gru_reads_the_padding_up_to_its_length() -> None:
    """The survey reads the state after the padding, which costs it much of the text."""
    module = ready(BUILD["gru"](faithful=True, max_length=10, padding=4))
    expected = read_out(module, leaky(gru_state(module, [*TOKENS, 4, 4, 4, 4])))
    assert torch.allclose(module(torch.tensor([TOKENS]))[0], expected, rtol=1e-12)
    whole = module(torch.tensor([TOKENS * 3]))[0]
    cut = read_out(module, leaky(gru_state(module, (TOKENS * 3)[:10])))
    assert torch.allclose(whole, cut, rtol=1e-12)


def test_a_faithful_cnn_reads_the_embedding_of_the_padding() -> None:
    """The survey's maxima run over the padding too."""
    module = ready(BUILD["cnn"](faithful=True, max_length=10))
    plain = ready(BUILD["cnn"](padding=9))
    plain.load_state_dict(module.state_dict())
    written_out = torch.tensor([[*TOKENS, 0, 0, 0, 0]])
    assert torch.allclose(module(torch.tensor([TOKENS])), plain(written_out), rtol=1e-12)


def test_the_transformer_is_torchs_own_encoder() -> None:
    """Heads split the wrong way, or a norm in another place, still train."""
    module: Any = ready(text_transformer(40, 3, 8, layers=2, heads=2, max_length=30))
    layer = nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0.0, activation="gelu", norm_first=True, batch_first=True
    )
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().eval()
    for theirs, ours in zip(encoder.layers, module.blocks, strict=True):
        pairs = (
            (theirs.self_attn.in_proj_weight, ours.queries_keys_values.weight),
            (theirs.self_attn.in_proj_bias, ours.queries_keys_values.bias),
            *zip(theirs.self_attn.out_proj.parameters(), ours.mixed.parameters(), strict=True),
            *zip(theirs.linear1.parameters(), ours.wide.parameters(), strict=True),
            *zip(theirs.linear2.parameters(), ours.narrow.parameters(), strict=True),
            *zip(theirs.norm1.parameters(), ours.norm1.parameters(), strict=True),
            *zip(theirs.norm2.parameters(), ours.norm2.parameters(), strict=True),
        )
        for target, source in pairs:
            target.data.copy_(source.data)
    tokens = torch.tensor([[*TOKENS, 0, 0], [5, 5, 1, 2, 3, 4, 6, 7]])
    values = module.embedding.weight[tokens] + module.positions[:8]
    values = encoder(values, src_key_padding_mask=tokens == 0)
    means = torch.stack([module.norm(values)[0, :6].mean(0), module.norm(values)[1].mean(0)])
    expected = means @ module.output.weight.T + module.output.bias
    assert torch.allclose(module(tokens), expected, rtol=1e-10)


@pytest.mark.parametrize("name", list(BUILD))
@pytest.mark.parametrize("tokens", [TOKENS, [7], [7, 21], [7, 0, 21]])
def test_padding_does_not_change_the_answer(name: str, tokens: list[int]) -> None:
    """A student that reads padding answers by the company that a text keeps in its batch."""
    module = ready(BUILD[name]())
    alone = module(torch.tensor([tokens]))
    long = torch.arange(1, 26)
    beside = torch.zeros(2, 25, dtype=torch.int64)
    beside[0, : len(tokens)] = torch.tensor(tokens)
    beside[1] = long
    assert torch.allclose(module(beside)[:1], alone, rtol=1e-10)
    assert torch.allclose(module(beside)[1:], module(long[None]), rtol=1e-10)


@pytest.mark.parametrize("name", ["cnn", "gru"])
def test_a_faithful_student_answers_the_same_in_any_batch(name: str) -> None:
    """Read up to the longest of the batch, its answer would hang on its neighbours."""
    module = ready(BUILD[name](faithful=True, max_length=12))
    beside = torch.zeros(2, 20, dtype=torch.int64)
    beside[0, : len(TOKENS)] = torch.tensor(TOKENS)
    beside[1] = torch.arange(1, 21)
    assert torch.allclose(module(beside)[:1], module(torch.tensor([TOKENS])), rtol=1e-10)


@pytest.mark.parametrize("name", list(BUILD))
def test_a_text_of_padding_alone_gets_a_finite_answer(name: str) -> None:
    """A maximum or a mean over nothing is infinite, and ends a training of hours."""
    answer = ready(BUILD[name]())(torch.zeros(2, 5, dtype=torch.int64))
    assert bool(answer.isfinite().all())
    assert torch.allclose(answer[0], answer[1])


@pytest.mark.parametrize("name", list(BUILD))
@pytest.mark.parametrize("padding", [0, 4])
def test_the_padding_has_no_gradient(name: str, padding: int) -> None:
    """What is never read must not be trained."""
    module: Any = ready(BUILD[name](padding=padding))
    tokens = torch.tensor([[*TOKENS, *[padding] * 4], list(range(10, 20))])
    module(tokens).square().sum().backward()
    gradient = module.embedding.weight.grad
    assert float(gradient[padding].abs().max()) == 0.0
    assert float(gradient[TOKENS[0]].abs().max()) > 0.0


@pytest.mark.parametrize("name", list(BUILD))
def test_an_architecture_builds_the_student_it_was_taken_from(name: str) -> None:
    """A saved student must be built again, with every argument."""
    student = BUILD[name](padding=3, dropout=0.25)
    again = from_architecture(student.architecture)
    assert repr(again.module) == repr(student.module)
    assert module_digest(again.module) == module_digest(student.module)
    assert again.architecture == student.architecture


@pytest.mark.parametrize("build", [text_cnn, text_gru])
def test_what_is_read_otherwise_looks_otherwise(build: Callable[..., Student]) -> None:
    """Checkpoints and fingerprints are told apart by weights and by what the module prints."""
    kinds = [
        build(40, 2),
        build(40, 2, padding=1),
        build(40, 2, faithful=True),
        build(40, 2, faithful=True, max_length=64),
    ]
    assert len({repr(student.module) for student in kinds}) == 4


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (text_cnn, {"channels": 0}, "channels has 0"),
        (text_cnn, {"kernels": []}, r"kernels is empty; .* such as \[3, 4, 5\]"),
        (text_cnn, {"kernels": 3}, "kernels(.|\n)*3"),
        (text_cnn, {"classes": 1}, "classes has 1"),
        (text_gru, {"hidden": 0}, "hidden has 0"),
        (text_gru, {"embedding": -1}, "embedding has -1"),
        (text_gru, {"dropout": 1.0}, "dropout is 1.0"),
        (text_gru, {"vocabulary": 0}, "vocabulary has 0"),
        (text_gru, {"padding": -1}, "padding has -1"),
        (text_gru, {"padding": 40}, "padding is 40, and a vocabulary of 40 has the ids 0 to 39"),
        (text_gru, {"max_length": 0}, "max_length has 0"),
        (text_transformer, {"heads": 3}, "width is 128, which 3 heads do not divide"),
        (text_transformer, {"layers": 0}, "layers has 0"),
    ],
)
def test_numbers_out_of_range_are_refused(
    build: Callable[..., Student], arguments: dict[str, Any], message: str
) -> None:
    """torch's own errors do not name the argument."""
    with pytest.raises(NOTICED, match=message):
        build(**{"vocabulary": 40, "classes": 2, **arguments})
