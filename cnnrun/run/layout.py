"""The names of the files in a run directory."""

from cnnrun.tables import HISTORY, RESULTS

PLAN = "sweep.json"
"""Of a sweep's folder: what was asked for."""
CONFIG = "config.yaml"
RECORD = "run.json"
PREPROCESSING = "preprocessing.json"
LOG = "run.log"
CONSOLE = "console.log"
"""What a job of a sweep wrote on its screen, if it had one."""
LOCK = ".lock"
CHECKPOINTS = "checkpoints"
TABLES = "tables"
FIGURES = "figures"
ANNOTATED = "annotated"
TENSORBOARD = "tensorboard"
WRITTEN_INTO = (LOCK, LOG, CONSOLE, CHECKPOINTS, TABLES, FIGURES, ANNOTATED, TENSORBOARD)
"""What is not replaced as a whole."""
EVIDENCE = (
    *(f"{name}.csv" for name in (RESULTS.name, HISTORY.name)),
    *(TABLES, FIGURES, ANNOTATED, TENSORBOARD, CHECKPOINTS, PREPROCESSING, LOG, RECORD),
)
"""What a run writes beside its config; the record is the last to go, as it tells that one was begun."""
DONE = ("finished", "pruned")
"""Statuses of a run that has nothing left to do."""
TOP_TABLES = (HISTORY.name, RESULTS.name)
"""Tables beside config.yaml; all others lie in tables/."""
