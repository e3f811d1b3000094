"""Data, task, model and training together, from a config; what the commands need.

datasets     the data set of a config, or of a run
building     the experiment of a config
trained      the experiment of a run
experiment   what it is: loaders, outputs, remarks
parting      the model without its frozen first layers
preparation  its training, at the beginning
"""

from cnnrun.experiment.building import FORECASTING, build, fetch_weights
from cnnrun.experiment.datasets import PLACES, load_data, stored_data
from cnnrun.experiment.experiment import Experiment
from cnnrun.experiment.preparation import never_used, prepare_training
from cnnrun.experiment.trained import class_names_in, from_run, load_weights, with_weights

__all__ = [
    "FORECASTING",
    "PLACES",
    "Experiment",
    "build",
    "class_names_in",
    "fetch_weights",
    "from_run",
    "load_data",
    "load_weights",
    "never_used",
    "prepare_training",
    "stored_data",
    "with_weights",
]
