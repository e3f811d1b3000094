"""Settings of launchers and sweepers, which Hydra hands over unchecked, against their types."""

from typing import Any

from cnnrun.config.schema import shown
from cnnrun.errors import ConfigError


def check_setting(name: str, annotation: Any, value: Any) -> None:
    """Raises: ConfigError: if the value is not of that type; it says which would be."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    from cnnrun.config.reasons import reason

    try:
        TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False)).validate_python(value, strict=True)
    except ValidationError as error:
        raise ConfigError(f"{name}={shown(value)}: {reason(error, annotation)[1]}") from error
