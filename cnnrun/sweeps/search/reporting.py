"""What a trial reports with. To import it takes longer than a short epoch, so that a fork server does it for all."""

from alembic import command as _alembic
from optuna import pruners, samplers
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models as _tables
from optuna.trial import Trial, TrialState
from sqlalchemy.dialects.sqlite import pysqlite as _sqlite

USED = (pruners, samplers, RDBStorage, StorageInternalError, Trial, TrialState, _alembic, _sqlite, _tables)
"""Optuna imports most of these when they are first used."""
