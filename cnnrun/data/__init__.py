"""The names that `dataset.name` and `augment.name` may have, and where their callables are."""

DATASETS = {
    "digits": "cnnrun.data.digits:digits",
    "image_folder": "cnnrun.data.image_folder:image_folder",
    "series": "cnnrun.data.forecasting:series",
    "torchvision": "cnnrun.data.torchvision_images:torchvision_images",
}

AUGMENTS = {"batch": "cnnrun.data.augment:Augment"}
