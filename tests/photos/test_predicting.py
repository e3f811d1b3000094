"""From files to rows: batches, neighbours, numbers. `pytest tests/photos/test_predicting.py`"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import shufflenet_v2_x0_5
from torchvision.transforms import v2

from cnnrun.data.geometry import Geometry
from cnnrun.errors import CnnrunError
from cnnrun.photos.classes import Classes
from cnnrun.photos.inputs import find_inputs
from cnnrun.photos.network import Network, _cast_weights, compiled, normalized, of_weights
from cnnrun.photos.predicting import predicted
from cnnrun.photos.truth import Truth
from cnnrun.training.device import Compute
from cnnrun.values import InputSpec

SPEC = InputSpec(32, 40, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CPU = torch.device("cpu")


def tiny():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 7)).eval()


def network(precision="fp32", batch_size=4, module=None):
    module = module or tiny()
    compute = Compute(CPU, precision, channels_last=True, compile=False)
    geometry = Geometry((SPEC.size, SPEC.size), SPEC.resize)
    classes = Classes(tuple("abcdefg"))
    return Network("tiny", module, module, geometry, normalized(SPEC), classes, compute, batch_size, 0, "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eleven photos of several sizes, of which two are broken."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in range(11):
        size = (30 + 7 * number, 90 - 3 * number, 3)
        small = generator.integers(0, 256, size=(5, 5, 3), dtype=np.uint8)
        Image.fromarray(small).resize(size[1::-1], Image.Resampling.BICUBIC).save(folder / f"{number:02}.png")
    (folder / "03.png").write_bytes(b"")
    (folder / "08.png").write_bytes((folder / "07.png").read_bytes()[:300])
    return folder


def table(network, folder, **more):
    inputs = find_inputs(str(folder))
    return [row for batch in predicted(network, inputs, Truth(), 7, **more) for row in batch]


def shares(row):
    return {guess.index: guess.probability for guess in row.guesses}


def test_the_probabilities_are_those_of_the_plain_chain_for_one_photo_at_a_time(folder):
    rows = table(network(), folder)
    assert [row.path for row in rows] == [f"{number:02}.png" for number in range(11)]
    assert [row.path for row in rows if row.is_broken] == ["03.png", "08.png"]
    assert rows[3].error == "0 bytes"
    steps = [v2.PILToTensor(), v2.Resize(40, antialias=True), v2.CenterCrop(32), v2.ToDtype(torch.float32, scale=True)]
    chain, model = v2.Compose([*steps, v2.Normalize(SPEC.mean, SPEC.std)]), tiny()
    for row in rows:
        if row.is_broken:
            continue
        with torch.no_grad():
            expected = model(chain(Image.open(folder / row.path))[None]).softmax(dim=1)[0]
        ours = torch.tensor([shares(row)[index] for index in range(7)])
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6, check_dtype=False)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_photo_has_the_same_numbers_whatever_its_neighbours(folder, tmp_path, precision):
    among = {row.path: row for row in table(network(precision), folder)}
    for name in ("00.png", "05.png", "10.png"):
        (alone,) = table(network(precision), folder / name)
        assert alone == among[name]


def test_a_prediction_that_goes_on_has_the_rows_that_were_left(folder):
    whole = table(network(), folder)
    assert table(network(), folder, first=4) == whole[4:]
    assert table(network(), folder, first=11, threads=1) == []


def test_weights_that_are_cast_once_give_what_autocast_gives(folder):
    plain, cast = network("bf16"), tiny()
    _cast_weights(cast)
    assert cast[0].weight.dtype == torch.bfloat16
    assert cast[1].weight.dtype == torch.float32
    assert table(network("bf16", module=cast), folder) == table(plain, folder)


def test_a_broken_folder_does_not_need_the_network(tmp_path):
    (tmp_path / "a.jpg").touch()

    def never(inputs):
        raise AssertionError

    (row,) = table(replace(network(), forward=never), tmp_path)
    assert row.is_broken


def test_outputs_that_are_no_numbers_are_no_predictions(folder):
    with pytest.raises(CnnrunError, match="tiny gives outputs that are no numbers in fp32; try precision=fp32"):
        table(replace(network(), forward=lambda inputs: torch.full((4, 7), torch.nan)), folder)


def test_what_cannot_be_compiled_goes_on_without(folder, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no compiler\nfound")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    plain = network()
    fast, doubts = compiled(plain)
    assert fast is plain
    assert doubts == ["compile=true does not work here (no compiler); going on without"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_predicts_the_same(folder):
    plain = network()
    fast, doubts = compiled(plain)
    assert not doubts
    for one, other in zip(table(plain, folder), table(fast, folder), strict=True):
        assert one.path == other.path
        assert shares(one) == pytest.approx(shares(other), rel=1e-4)


def test_the_digest_tells_other_weights_and_not_how_precisely_they_compute(tmp_path):
    def of(file, precision):
        return of_weights(
            "shufflenet_v2_x0_5", str(file), precision, CPU, offline=True, report=lambda *_: None
        ).digest()

    first, second = tmp_path / "first.pth", tmp_path / "second.pth"
    for seed, file in enumerate((first, second)):
        torch.manual_seed(seed)
        torch.save(shufflenet_v2_x0_5(weights=None).state_dict(), file)
    assert of(first, "fp32") == of(first, "bf16") != of(second, "fp32")
