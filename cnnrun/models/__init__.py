"""The models, by the short name that a config uses; resolved when asked for."""

MODELS = {
    "mlp": "cnnrun.models.mlp:MLP",
    "cnn": "cnnrun.models.cnn:CNN",
    "backbone": "cnnrun.models.backbone:Backbone",
    "resnet": "cnnrun.models.resnet:ResNet",
    "energy_reference": "cnnrun.models.energy_reference:EnergyReference",
    "temporal": "cnnrun.models.temporal:Temporal",
}
