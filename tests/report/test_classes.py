"""What a report of classes shows. Run: pytest tests/report/test_classes.py"""

import torch

from cnnrun.report.classes import NUM_IMAGES, first_images


def test_images_of_mixed_classes_are_the_first() -> None:
    targets = torch.tensor([1, 0, 2] * 100)
    assert first_images(targets).tolist() == list(range(NUM_IMAGES))


def test_images_of_sorted_classes_are_of_all_of_them_however_small_the_first_are() -> None:
    targets = torch.tensor([0] * 8 + [1] * 9 + [2] * 9 + [3] * 37 + [4] * 9)
    chosen = first_images(targets)
    assert len(chosen) == len(chosen.unique()) == NUM_IMAGES
    assert targets[chosen].unique().tolist() == [0, 1, 2, 3, 4]


def test_fewer_samples_than_places_are_all_shown() -> None:
    assert first_images(torch.tensor([0, 0, 1])).tolist() == [0, 1, 2]
