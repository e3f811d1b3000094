"""`cnnrun predict`: what a run, or a network with trained weights, says of data that nobody has labelled."""

from typing import Any

from cnnrun import config as configs
from cnnrun import opening
from cnnrun.config import Invocation
from cnnrun.experiment import FORECASTING
from cnnrun.run import Run
from cnnrun.settings import PredictSettings


def predict(config: dict[str, Any], invocation: Invocation) -> None:
    """Forecast with a run that was trained to, else classify photos. The run stays as it is.

    Raises:
        ConfigError: if there is no such run or checkpoint, or its settings cannot be trusted.
        DataError: if the inputs cannot be read, or are not like those that the run was trained on.
    """
    settings = configs.bind(PredictSettings, config)
    if settings.run is None:
        from cnnrun.commands.predict_photos import predict_photos

        predict_photos(config, invocation)
        return
    source = Run.open_training(settings.run)
    asked = {"device": settings.device, "precision": settings.precision, "threads": settings.threads}
    stored = opening.stored_config(source, settings.trust_code, asked) | {"offline": settings.offline}
    if stored["task"]["name"] == FORECASTING:
        from cnnrun.commands.predict_series import predict_series

        predict_series(config, invocation, source, stored)
    else:
        from cnnrun.commands.predict_photos import predict_photos

        predict_photos(config, invocation, source, stored)
