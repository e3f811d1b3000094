"""What a model sees, against numpy. Run: pytest tests/data/test_preprocessing.py"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from cnnrun.data.geometry import Geometry
from cnnrun.data.preprocessing import Normalize, Preprocessing, fit_preprocessing
from cnnrun.data.splits import Split
from cnnrun.errors import ConfigError, DataError
from cnnrun.values import InputSpec

SHAPES = [(20, 2, 9), (20, 3, 6, 5), (20, 1, 4, 5, 6)]
"""A series, an image, a volume: (N, C, *spatial)."""


def some_bytes(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(3, 250, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def train_of(inputs: torch.Tensor, rows: torch.Tensor | None = None) -> Split:
    count = len(inputs if rows is None else rows)
    return Split("train", inputs, torch.zeros(count, dtype=torch.int64), [str(i) for i in range(count)], rows=rows)


@pytest.mark.parametrize("normalize", ["standardize", "minmax"])
def test_only_the_rows_of_train_are_looked_at(normalize: Normalize) -> None:
    inputs = some_bytes((20, 3, 6, 5))
    inputs[::2] //= 3
    rows = torch.arange(0, 20, 2)
    assert fit_preprocessing(train_of(inputs, rows), normalize) == fit_preprocessing(train_of(inputs[rows]), normalize)


def test_with_pretrained_weights_a_model_sees_what_torchvision_would_show_it() -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    inputs = some_bytes((20, 3, 6, 5))
    expected = TF.normalize(inputs.float() / 255, mean, std)
    for normalize in ("auto", "weights"):
        preprocessing = fit_preprocessing(train_of(inputs), normalize, InputSpec(224, 256, "bilinear", mean, std))
        torch.testing.assert_close(preprocessing.apply(inputs), expected, atol=1e-6, rtol=1e-6)
        assert preprocessing.normalize == "weights"


def test_a_grey_image_gets_the_mean_over_the_colours_of_the_weights() -> None:
    inputs = some_bytes((20, 1, 6, 5))
    spec = InputSpec(224, 256, "bilinear", (0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    seen = fit_preprocessing(train_of(inputs), "weights", spec).apply(inputs)
    torch.testing.assert_close(seen, (inputs / 255 - 0.5) / 0.2, atol=1e-5, rtol=1e-5)


def test_auto_standardizes_where_no_weights_come() -> None:
    train = train_of(some_bytes((20, 3, 6, 5)))
    assert fit_preprocessing(train, "auto") == fit_preprocessing(train, "standardize")


def test_weights_are_refused_where_none_come() -> None:
    with pytest.raises(ConfigError, match="the model has no pretrained weights"):
        fit_preprocessing(train_of(some_bytes((20, 3, 6, 5))), "weights")


def test_the_geometry_is_stored_with_the_map() -> None:
    geometry = Geometry((6, 5), 8, fit="pad")
    preprocessing = replace(fit_preprocessing(train_of(some_bytes((9, 3, 6, 5))), "unit"), geometry=geometry)
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_standardize_gives_each_channel_the_mean_and_deviation_that_numpy_finds(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    inputs = some_bytes(shape).to(dtype)
    array = inputs.numpy().astype(np.float64)
    axes = (0, *range(2, array.ndim))
    expected = (array - array.mean(axes, keepdims=True)) / array.std(axes, keepdims=True)
    seen = fit_preprocessing(train_of(inputs), "standardize").apply(inputs)
    assert seen.dtype == torch.float32
    np.testing.assert_allclose(seen.numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_minmax_stretches_each_channel_from_0_to_1(shape: tuple[int, ...]) -> None:
    inputs = some_bytes(shape)
    seen = fit_preprocessing(train_of(inputs), "minmax").apply(inputs).transpose(0, 1).flatten(1)
    torch.testing.assert_close(seen.amin(1), torch.zeros(shape[1]), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen.amax(1), torch.ones(shape[1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("normalize", "black", "white"), [("unit", 0, 1), ("symmetric", -1, 1), ("none", 0, 255)])
def test_fixed_maps_do_not_look_at_the_data(normalize: Normalize, black: float, white: float) -> None:
    preprocessing = fit_preprocessing(train_of(some_bytes((5, 1, 2, 2))), normalize)
    seen = preprocessing.apply(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2))
    torch.testing.assert_close(seen.flatten(), torch.tensor([black, white]).float())


@pytest.mark.parametrize("normalize", ["standardize", "minmax"])
def test_a_constant_channel_becomes_zero_and_not_nan(normalize: Normalize) -> None:
    inputs = torch.full((4, 1, 3, 3), 7, dtype=torch.uint8)
    assert fit_preprocessing(train_of(inputs), normalize).apply(inputs).abs().max() < 1e-6


@pytest.mark.parametrize("normalize", ["standardize", "unit", "symmetric", "minmax", "none"])
def test_invert_gives_the_bytes_back(normalize: Normalize) -> None:
    inputs = some_bytes((20, 3, 6, 5))
    preprocessing = fit_preprocessing(train_of(inputs), normalize)
    assert torch.equal(preprocessing.invert(preprocessing.apply(inputs)), inputs)


def test_statistics_do_not_depend_on_how_the_samples_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = some_bytes((20, 3, 6, 5))
    whole = fit_preprocessing(train_of(inputs), "standardize")
    monkeypatch.setattr("cnnrun.data.preprocessing.HISTOGRAM_CHUNK", 31)
    assert fit_preprocessing(train_of(inputs), "standardize") == whole


def test_apply_leaves_its_input_alone() -> None:
    inputs = some_bytes((20, 1, 4, 4)).float()
    before = inputs.clone()
    fit_preprocessing(train_of(inputs), "standardize").apply(inputs)
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
    preprocessing = fit_preprocessing(train_of(some_bytes((20, 3, 6, 5))), "standardize")
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


def test_a_stored_value_that_is_broken_is_named() -> None:
    values = {"normalize": "unit", "image_size": [8, 8], "scale": ["wide"], "shift": [0.0]}
    with pytest.raises(DataError, match=r"stored preprocessing, scale\.0: Input should be a valid number"):
        Preprocessing.from_dict(values)


def test_maps_of_bytes_refuse_values_that_are_not() -> None:
    with pytest.raises(ConfigError) as error:
        fit_preprocessing(train_of(torch.ones(3, 1, 4)), "unit")
    assert str(error.value) == (
        "dataset.normalize=unit: it maps the bytes 0..255, and this data set holds torch.float32 values; "
        "take standardize, minmax or none"
    )
