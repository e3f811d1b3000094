"""What a model sees, against numpy. Run: pytest tests/data/test_preprocessing.py"""

import json

import numpy as np
import pytest
import torch

from cnnrun.data.preprocessing import Normalize, Preprocessing, fit_preprocessing
from cnnrun.errors import ConfigError, DataError

SHAPES = [(20, 2, 9), (20, 3, 6, 5), (20, 1, 4, 5, 6)]
"""A series, an image, a volume: (N, C, *spatial)."""


def some_bytes(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(3, 250, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_standardize_gives_each_channel_the_mean_and_deviation_that_numpy_finds(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    inputs = some_bytes(shape).to(dtype)
    array = inputs.numpy().astype(np.float64)
    axes = (0, *range(2, array.ndim))
    expected = (array - array.mean(axes, keepdims=True)) / array.std(axes, keepdims=True)
    seen = fit_preprocessing(inputs, "standardize").apply(inputs)
    assert seen.dtype == torch.float32
    np.testing.assert_allclose(seen.numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_minmax_stretches_each_channel_from_0_to_1(shape: tuple[int, ...]) -> None:
    inputs = some_bytes(shape)
    seen = fit_preprocessing(inputs, "minmax").apply(inputs).transpose(0, 1).flatten(1)
    torch.testing.assert_close(seen.amin(1), torch.zeros(shape[1]), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen.amax(1), torch.ones(shape[1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("normalize", "black", "white"), [("unit", 0, 1), ("symmetric", -1, 1), ("none", 0, 255)])
def test_fixed_maps_do_not_look_at_the_data(normalize: Normalize, black: float, white: float) -> None:
    preprocessing = fit_preprocessing(some_bytes((5, 1, 2, 2)), normalize)
    seen = preprocessing.apply(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2))
    torch.testing.assert_close(seen.flatten(), torch.tensor([black, white]).float())


@pytest.mark.parametrize("normalize", ["standardize", "minmax"])
def test_a_constant_channel_becomes_zero_and_not_nan(normalize: Normalize) -> None:
    inputs = torch.full((4, 1, 3, 3), 7, dtype=torch.uint8)
    assert fit_preprocessing(inputs, normalize).apply(inputs).abs().max() < 1e-6


@pytest.mark.parametrize("normalize", ["standardize", "unit", "symmetric", "minmax", "none"])
def test_invert_gives_the_bytes_back(normalize: Normalize) -> None:
    inputs = some_bytes((20, 3, 6, 5))
    preprocessing = fit_preprocessing(inputs, normalize)
    assert torch.equal(preprocessing.invert(preprocessing.apply(inputs)), inputs)


def test_statistics_do_not_depend_on_how_the_samples_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = some_bytes((20, 3, 6, 5))
    whole = fit_preprocessing(inputs, "standardize")
    monkeypatch.setattr("cnnrun.data.preprocessing.HISTOGRAM_CHUNK", 31)
    assert fit_preprocessing(inputs, "standardize") == whole


def test_apply_leaves_its_input_alone() -> None:
    inputs = some_bytes((20, 1, 4, 4)).float()
    before = inputs.clone()
    fit_preprocessing(inputs, "standardize").apply(inputs)
    assert torch.equal(inputs, before)


def test_values_of_apply_may_be_used_under_autograd_after_inference_mode() -> None:
    preprocessing = Preprocessing("none", (2,), (1.25,), (0.75,))
    inputs = torch.ones(1, 1, 2)
    with torch.inference_mode():
        preprocessing.apply(inputs)
    weight = torch.ones(1, requires_grad=True)
    (preprocessing.apply(inputs) * weight).sum().backward()
    torch.testing.assert_close(weight.grad, torch.tensor([4.0]))


def test_it_survives_json() -> None:
    preprocessing = fit_preprocessing(some_bytes((20, 3, 6, 5)), "standardize")
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


def test_a_stored_value_that_is_broken_is_named() -> None:
    values = {"normalize": "unit", "image_size": [8, 8], "scale": ["wide"], "shift": [0.0]}
    with pytest.raises(DataError, match=r"stored preprocessing, scale\.0: Input should be a valid number"):
        Preprocessing.from_dict(values)


def test_maps_of_bytes_refuse_values_that_are_not() -> None:
    with pytest.raises(ConfigError) as error:
        fit_preprocessing(torch.ones(3, 1, 4), "unit")
    assert str(error.value) == (
        "dataset.normalize=unit: it maps the bytes 0..255, and this data set holds torch.float32 values; "
        "take standardize, minmax or none"
    )
