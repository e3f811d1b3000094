"""The names of the files in a run directory."""

from cnnrun.tables import HISTORY, RESULTS

CONFIG = "config.yaml"
RECORD = "run.json"
PREPROCESSING = "preprocessing.json"
LOG = "run.log"
LOCK = ".lock"
CHECKPOINTS = "checkpoints"
TABLES = "tables"
FIGURES = "figures"
ANNOTATED = "annotated"
WRITTEN_INTO = (LOCK, LOG, CHECKPOINTS, TABLES, FIGURES, ANNOTATED)
"""What is not replaced as a whole."""
OF_EVALUATION = (f"{RESULTS.name}.csv", TABLES, FIGURES, ANNOTATED, LOG, RECORD)
"""What an evaluation writes beside its config; the record is the last to go, as it tells that one was begun."""
TOP_TABLES = (HISTORY.name, RESULTS.name)
"""Tables beside config.yaml; all others lie in tables/."""
