"""Where a search keeps its trials: Optuna's storage, in a file or in a database that others serve."""

import logging
import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnrun.errors import ConfigError, DataError
from cnnrun.sweeps.objective import Objective

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.study import Study

FILE = "search.db"
PATIENCE = 60.0
"""Seconds to wait for a process that writes into the same SQLite file."""


def open_storage(place: Path | str, *, is_there: bool = False) -> "BaseStorage":
    """Of a SQLite file, or of the URL of a database.

    Args:
        is_there: whether the tables are known to be there, which saves a process of a trial some time.
    Raises:
        DataError: if the file is no such storage.
        ConfigError: if the URL is none, or leads nowhere.
    """
    _be_quiet()
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    known: dict[str, Any] = {"skip_compatibility_check": is_there, "skip_table_creation": is_there}
    try:
        if isinstance(place, str):
            return RDBStorage(place, **known)
        # Not by its URL: a path may hold any sign.
        creator = partial(_connect, place)
        return RDBStorage(f"sqlite:///{FILE}", engine_kwargs={"creator": creator}, **known)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
        why = str(error).strip().splitlines()[0]
        if isinstance(place, str):
            raise ConfigError(f"hydra.sweeper.storage: {why}") from error  # the URL may hold a password
        raise DataError(f"{place} cannot be read as the storage of a search: {why}") from error


def open_study(
    storage: "BaseStorage",
    name: str,
    objective: Objective,
    *,
    pruner: "BasePruner",
    sampler: "BaseSampler | None" = None,
) -> "Study":
    """The study of that name, which is made where there is none."""
    from optuna.study import StudyDirection, create_study

    direction = StudyDirection.MAXIMIZE if objective.higher_is_better else StudyDirection.MINIMIZE
    return create_study(
        storage=storage, study_name=name, direction=direction, sampler=sampler, pruner=pruner, load_if_exists=True
    )


def require_optuna() -> None:
    """Raises: ConfigError: if it is not installed, or too old."""
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("hydra/sweeper=optuna needs Optuna: pip install 'cnnrun[optuna]'") from error
    if int(optuna.__version__.partition(".")[0]) < 4:
        raise ConfigError(f"hydra/sweeper=optuna needs Optuna 4 or later, not {optuna.__version__}")


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=PATIENCE, check_same_thread=False)


def _be_quiet() -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
