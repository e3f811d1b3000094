"""Tell a tracker of runs what a training comes to, for those who have one; its failures never stop a run.

tracker       what every tracker is told, and when
session       one training and its tracker
worker        the thread in which a tracker works
tensorboard, mlflow, wandb
"""

from cnnrun.tracking.session import Session, tracked
from cnnrun.tracking.tracker import Begun, Tracker

LOGGERS = {
    "tensorboard": "cnnrun.tracking.tensorboard:TensorBoard",
    "mlflow": "cnnrun.tracking.mlflow:MLflow",
    "wandb": "cnnrun.tracking.wandb:Wandb",
}

__all__ = ["LOGGERS", "Begun", "Session", "Tracker", "tracked"]
