"""The drawing of a network groups its layers and stays within the picture. `pytest tests/plots`"""

from collections.abc import Callable
from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.patches import Polygon

from cnnrun import tables
from cnnrun.plots.architecture import architecture, short_count

FACES = 3


def layer_table(rows: list[tuple[str, str, str, int]]) -> pd.DataFrame:
    """(name, type, output shape, parameters), all trainable, a multiply-add for each parameter."""
    columns = [*zip(*rows, strict=True)]
    values = [*columns, columns[3], [""] * len(rows), columns[3]]
    return pd.DataFrame(dict(zip(tables.LAYERS.names, values, strict=True)))


def residual_table(stages: int, blocks: int) -> pd.DataFrame:
    rows = [("features.stem.conv", "Conv2d", "16x32x32", 432), ("features.stem.bn", "BatchNorm2d", "16x32x32", 32)]
    for stage in range(stages):
        shape = f"{16 << stage}x{32 >> stage}x{32 >> stage}"
        for block in range(blocks):
            place = f"features.stage{stage + 1}.block{block + 1}"
            rows += [(f"{place}.residual.conv{number}", "Conv2d", shape, 9 << 8 << stage) for number in (1, 2, 3)]
            rows += [(f"{place}.residual.bn{number}", "BatchNorm2d", shape, 32 << stage) for number in (1, 2, 3)]
            rows += [(f"{place}.act", "ReLU", shape, 0)]
    rows += [("features.flatten", "Flatten", "128", 0), ("head", "Linear", "10", 1290)]
    return layer_table(rows)


def captions(table: pd.DataFrame, input_shape: tuple[int, ...] = (3, 32, 32)) -> list[list[str]]:
    return [text.get_text().split("\n") for text in architecture(table, input_shape, "net").axes[0].texts]


def test_layers_of_a_block_are_drawn_as_one() -> None:
    table = layer_table(
        [
            ("features.block1.conv1", "Conv2d", "8x28x28", 80),
            ("features.block1.act1", "ReLU", "8x28x28", 0),
            ("features.block1.conv2", "Conv2d", "8x28x28", 584),
            ("features.block1.pool", "MaxPool2d", "8x14x14", 0),
            ("features.flatten", "Flatten", "1568", 0),
            ("head", "Linear", "10", 15690),
        ]
    )
    assert captions(table, (1, 28, 28)) == [
        ["input", "1×28×28"],
        ["block1", "8×14×14", "664 parameters", "2\N{NO-BREAK SPACE}Conv2d, ReLU, MaxPool2d"],
        ["flatten", "1568", "Flatten"],
        ["head", "10", "15.7 k parameters", "Linear"],
    ]


def test_a_network_of_many_blocks_is_drawn_by_stages() -> None:
    assert len(captions(residual_table(3, 5))) == 1 + 1 + 15 + 2
    names = [lines[0] for lines in captions(residual_table(3, 18))]
    assert names == ["input", "stem", "stage1", "stage2", "stage3", "flatten", "head"]


def test_what_only_holds_the_place_of_a_classifier_is_not_drawn() -> None:
    rows = [("features.a", "Conv2d", "16x8x8", 9), ("features.fc", "Identity", "16", 0), ("head", "Linear", "2", 34)]
    assert [lines[0] for lines in captions(layer_table(rows))] == ["input", "a", "head"]


def test_frozen_blocks_say_so() -> None:
    table = residual_table(1, 1)
    table.loc[table["name"].str.startswith("features.stem"), "trainable"] = 0
    lines = captions(table)
    assert lines[1][2] == "464 parameters, frozen"
    assert "frozen" not in lines[2][2]
    table.loc[table["name"] == "features.stem.bn", "trainable"] = 32
    assert captions(table)[1][2] == "32 of 464 train"


def test_frozen_blocks_are_pale_and_the_legend_says_so() -> None:
    table = residual_table(1, 1)
    assert not notes_and_strengths(table)[0].endswith("frozen")
    table.loc[table["name"].str.startswith("features.stem"), "trainable"] = 0
    note, (picture, stem, block, *_) = notes_and_strengths(table)
    assert note.endswith("; pale: frozen")
    assert stem < picture == block


def notes_and_strengths(table: pd.DataFrame) -> tuple[str, list[float]]:
    """What the legend says, and how strong the front of each block is."""
    figure = architecture(table, (3, 32, 32), "net")
    faces = [patch for patch in figure.axes[0].patches if isinstance(patch, Polygon)]
    return figure.legends[0].get_title().get_text(), [float(face.get_alpha() or 1) for face in faces[::FACES]]


def test_the_title_counts_the_whole_network() -> None:
    table = residual_table(2, 2)
    total = table["parameters"].sum()
    title = architecture(table, (3, 32, 32), "small").get_suptitle()
    assert title == f"small: {total:,} parameters, {short_count(total)} multiply-adds for one sample"


def test_blocks_are_taller_with_larger_maps_and_thicker_with_more_channels() -> None:
    table = layer_table([("features.a", "Conv2d", "16x32x32", 9), ("features.b", "Conv2d", "64x8x8", 9)])
    patches = [patch for patch in architecture(table, (16, 8, 8), "net").axes[0].patches if isinstance(patch, Polygon)]
    front_faces = [patch.get_xy() for patch in patches[::FACES]]
    (same, early, late) = [face.max(axis=0) - face.min(axis=0) for face in front_faces]
    assert early[1] > late[1] == pytest.approx(same[1])
    assert late[0] > early[0] == pytest.approx(same[0])


@pytest.mark.parametrize(
    ("table", "input_shape"),
    [
        (layer_table([("features.dense1.linear", "Linear", "256", 10), ("head", "Linear", "10", 2)]), (1, 8, 8)),
        (layer_table([("head", "Linear", "1", 2)]), (1,)),
        (layer_table([("features.block1.conv", "Conv1d", "8x100", 10), ("head", "Linear", "2", 2)]), (1, 100)),
        (residual_table(4, 2), (3, 32, 32)),
        (residual_table(3, 6), (3, 32, 32)),
    ],
    ids=["mlp", "linear", "series", "resnet18", "resnet50"],
)
def test_drawings_of_any_size_are_not_clipped(
    table: pd.DataFrame, input_shape: tuple[int, ...], assert_nothing_is_clipped: Callable
) -> None:
    figure = architecture(table, input_shape, "net")
    assert_nothing_is_clipped(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(left.overlaps(right) for left, right in pairwise(boxes))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9408, "9,408"),
        (93322, "93.3 k"),
        (999_960, "1.0 M"),
        (25_557_032, "25.6 M"),
        (4.1e9, "4.1 G"),
        (2e15, "2,000.0 T"),
    ],
)
def test_large_counts_are_short(count: float, text: str) -> None:
    assert short_count(count) == text
