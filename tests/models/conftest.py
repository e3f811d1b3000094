"""Builds models from the options in conf/model, as the command line does but without Hydra."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from cnnrun.models import MODELS

OPTIONS = Path(__file__).parents[2] / "conf" / "model"


@pytest.fixture
def build() -> Callable[..., nn.Module]:
    """build(option, input_shape, num_outputs=10, num_targets=1, **changed settings): always with the same weights."""

    def build_option(
        option: str, input_shape: tuple[int, ...], num_outputs: int = 10, num_targets: int = 1, **changes: Any
    ) -> nn.Module:
        settings = yaml.safe_load((OPTIONS / f"{option}.yaml").read_text())
        module, _, name = MODELS[settings.pop("name")].partition(":")
        unknown = changes.keys() - settings.keys()
        assert not unknown, unknown
        torch.manual_seed(0)
        model = getattr(importlib.import_module(module), name)
        if "num_targets" in inspect.signature(model).parameters:
            settings["num_targets"] = num_targets
        return model(input_shape, num_outputs, **settings | changes)

    return build_option


@pytest.fixture
def count() -> Callable[[nn.Module], int]:
    return lambda model: sum(parameter.numel() for parameter in model.parameters())
