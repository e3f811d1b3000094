"""The names of optimizers and schedules; what they stand for is imported when one is asked for."""

OPTIMIZERS = {
    "adam": "cnnrun.training.optimizers:adam",
    "adamw": "cnnrun.training.optimizers:adamw",
    "rmsprop": "cnnrun.training.optimizers:rmsprop",
    "sgd": "cnnrun.training.optimizers:sgd",
}

SCHEDULERS = {
    "constant": "cnnrun.training.schedules:constant",
    "cosine": "cnnrun.training.schedules:cosine",
    "onecycle": "cnnrun.training.schedules:onecycle",
    "plateau": "cnnrun.training.schedules:Plateau",
    "step": "cnnrun.training.schedules:step",
}
