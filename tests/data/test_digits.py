"""The digits of scikit-learn. Run: pytest tests/data/test_digits.py"""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cnnrun.data.digits import digits
from cnnrun.data.splits import LabelledData

DEFAULTS: dict[str, Any] = {
    "image_size": None,
    "val_fraction": 0.1,
    "split_seed": 0,
    "limit": None,
    "normalize": "auto",
}


def some_digits(**settings: Any) -> LabelledData:
    return digits(**(DEFAULTS | settings))


def test_every_digit_is_in_one_split_and_its_id_names_its_row() -> None:
    data, source = some_digits(), load_digits()
    rows = []
    for split in (data.train, data.val, data.test):
        for image, target, name in zip(split.inputs, split.targets, split.ids, strict=True):
            rows.append(int(name.removeprefix("digits/")))
            np.testing.assert_allclose(image[0].numpy(), source.images[rows[-1]] * 255 / 16, atol=0.5)
            assert target == source.target[rows[-1]]
    assert sorted(rows) == list(range(1797))
    assert (len(data.train), len(data.val), len(data.test)) == (1294, 144, 359)
    assert data.input_shape == (1, 8, 8)
    assert data.class_names == tuple("0123456789")


def test_the_test_set_is_the_same_for_every_split_seed_and_val_is_not() -> None:
    one, other = some_digits(split_seed=1), some_digits(split_seed=2)
    assert one.test.ids == other.test.ids
    assert one.val.ids != other.val.ids
    assert one.fingerprint() != other.fingerprint()


def test_preprocessing_is_fitted_on_train_alone() -> None:
    """numpy on the training images, which are not the whole."""
    data = some_digits()
    seen = data.preprocessing.apply(data.train.inputs)
    assert abs(seen.mean()) < 1e-5
    assert abs(seen.std(correction=0) - 1) < 1e-5
    pixels = data.train.inputs.numpy().astype(np.float64)
    np.testing.assert_allclose(data.preprocessing.scale, [1 / pixels.std()], rtol=1e-12)
    np.testing.assert_allclose(data.preprocessing.shift, [-pixels.mean() / pixels.std()], rtol=1e-12)
    everything = torch.cat((data.train.inputs, data.val.inputs, data.test.inputs)).numpy()
    assert data.preprocessing.scale[0] != pytest.approx(1 / everything.std(), rel=1e-9)


def test_image_size_and_limit_are_kept_for_every_split() -> None:
    data = some_digits(image_size=12, limit=200)
    assert data.input_shape == (1, 12, 12)
    assert data.preprocessing.image_size == (12, 12)
    assert len(data.train) + len(data.val) == len(data.test) == 200
    assert data.class_counts().tolist() == [18] * 10


def test_the_same_settings_give_the_same_data() -> None:
    assert some_digits().fingerprint() == some_digits().fingerprint()
