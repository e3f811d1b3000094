"""The names that `dataset.name` and `augment.name` may have, and where their callables are."""

DATASETS = {
    "digits": "cnnrun.data.digits:digits",
    "torchvision": "cnnrun.data.torchvision_images:torchvision_images",
}

AUGMENTS = {"batch": "cnnrun.data.augment:Augment"}
