"""The data set that a config names, or that of a run, which may have come from another machine."""

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from cnnrun import config as configs
from cnnrun.data.splits import Data
from cnnrun.downloads import DataMissing, Report
from cnnrun.errors import ConfigError, DataError
from cnnrun.values import InputSpec

PLACES = {"root": "folder", "csv": "file"}
"""Settings of a data set that say where it lies."""


def load_data(
    config: dict[str, Any],
    report: Report,
    known_classes: Sequence[str] | None = None,
    *,
    own_root: str | None = None,
    goes_on: bool = False,
) -> Data:
    """The data set that the config names, with preprocessing fitted on its train split.

    Args:
        known_classes: of the run that it is read for, if it is read for one. own_root: where that run found its data.
        goes_on: whether that run is trained on it, not only judged.
    Raises:
        DataError: if it is not there and cannot be had, or is broken.
    """
    data: Data = configs.build(
        "dataset",
        config["dataset"],
        offline=config["offline"],
        report=report,
        input_spec=_input_spec(config["model"]),
        known_classes=known_classes,
        own_root=own_root,
        goes_on=goes_on,
    )
    return data


def stored_data(
    config: dict[str, Any],
    moved: dict[str, str],
    report: Report,
    known_classes: Sequence[str] | None = None,
    *,
    goes_on: bool = False,
) -> Data:
    """The data set that the config of a run names; the run may have come from another machine.

    Args:
        moved: `root` or `csv`, where the user says that it is now; to a root it may also be downloaded. Without one
            nothing is downloaded: it is read from where the config says, or else from where data sets lie by default.
        known_classes, goes_on: as for load_data.
    Raises:
        ConfigError: if a place is named of which the data set has none.
        DataError: as load_data.
    """
    dataset = config["dataset"]
    load = partial(load_data, report=report, known_classes=known_classes, own_root=dataset.get("root"), goes_on=goes_on)
    for key, path in moved.items():
        if dataset.get(key) is None:
            raise ConfigError(f"{key}={path}: the data set of this run is not read from a {PLACES[key]}")
    if moved:
        return load(config | {"dataset": dataset | moved})
    if dataset.get("csv") is not None and not Path(dataset["csv"]).is_file():
        raise DataError(
            f"the file that this run was trained on is not there: {dataset['csv']}; name where it is: "
            "csv=FILE with eval, dataset.csv=FILE with train"
        )
    if dataset.get("root") is None:
        return load(config)
    folders = list(dict.fromkeys([dataset["root"], os.environ.get("CNNRUN_DATA", "data")]))
    for folder in folders:
        with suppress(DataMissing):
            return load(config | {"dataset": dataset | {"root": folder}, "offline": True})
    raise DataError(
        f"the data set of this run is not in {' or '.join(folders)}; name the folder where it is, or is to be "
        "downloaded to: root=FOLDER with eval, dataset.root=FOLDER with train"
    )


def _input_spec(node: dict[str, Any]) -> InputSpec | None:
    """The images that the pretrained weights of the model want, where it has any and tells."""
    tell = getattr(configs.find("model", node["name"]), "input_spec", None)
    spec: InputSpec | None = tell(node) if tell else None
    return spec
