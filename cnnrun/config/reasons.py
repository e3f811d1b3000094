"""Say in one clause what pydantic found wrong with a value, in the words of somebody who writes YAML."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cnnrun.errors import near_miss

TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list such as {example}",
    "dict_type": "keys and values",
    "none_required": "null",
    "finite_number": "a finite number",
}
LIMITS = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
    "string_too_short": "text that is not empty",
}


def reason(error: ValidationError, annotation: Any) -> tuple[tuple[int, ...], str]:
    """Where inside the value (positions in lists), and why it does not fit."""
    details = error.errors(include_url=False, include_context=True)
    depth = max(len(_position(detail)) for detail in details)
    deepest = [detail for detail in details if len(_position(detail)) == depth]
    wants = list(dict.fromkeys(_wanted(detail, annotation) for detail in deepest))
    return _position(deepest[0]), f"must be {' or '.join(wants)}{_hint(deepest)}"


def _position(detail: ErrorDetails) -> tuple[int, ...]:
    """The numbers in pydantic's location; its names are branches of a union, which nobody wrote."""
    return tuple(part for part in detail["loc"] if isinstance(part, int))


def _wanted(detail: ErrorDetails, annotation: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "string_type":
        return _description(annotation) or TYPES[kind]
    if kind in TYPES:
        return TYPES[kind].format(example=_example(annotation))
    if kind in LIMITS:
        return LIMITS[kind].format(**context)
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind == "string_pattern_mismatch":
        return _description(annotation) or f"text like {context['pattern']}"
    return detail["msg"].removeprefix("Input should be ")


def _example(annotation: Any) -> str:
    """A list of what the first list in an annotation holds."""
    inside = next((part for part in _parts(annotation) if get_origin(part) is list), list[int])
    for part in _parts(*get_args(inside)):
        if get_origin(part) is Literal:
            return f"[{','.join(map(str, get_args(part)[-2:]))}]"
        if part is str:
            return "[a,b]"
    return "[1,2]"


def _parts(*annotations: Any) -> Iterator[Any]:
    """Types, and those that they are made of."""
    for annotation in annotations:
        yield annotation
        yield from _parts(*get_args(annotation))


def _hint(details: list[ErrorDetails]) -> str:
    """A near miss of a choice, or the trap of YAML 1.1 that turns text into a number or a truth."""
    value, kinds = details[0]["input"], {detail["type"] for detail in details}
    if kinds & LIMITS.keys() or not kinds & {"literal_error", "string_type"}:
        return ""
    if isinstance(value, bool) and "bool_type" not in kinds:
        return "; in YAML an unquoted yes, no, on or off is true or false: put text in quotes"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "; in YAML an unquoted 20:40 is the number 1240: put text in quotes"
    choices = [word for detail in details for word in str(detail.get("ctx", {}).get("expected", "")).split("'")[1::2]]
    return near_miss(value, choices)


def _description(annotation: Any) -> str | None:
    """What a type says about itself, anywhere inside a union."""
    for part in (*get_args(annotation), *getattr(annotation, "__metadata__", ())):
        found = part.description if isinstance(part, FieldInfo) else _description(part)
        if found:
            return str(found)
    return None
