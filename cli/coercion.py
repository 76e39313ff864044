"""Values of options and arguments that are of their type already, taken as they are.

Typer has pydantic convert every value, texts and defaults too, and pydantic takes as long to load as a
whole command takes without it.
"""

from typing import TYPE_CHECKING, Any

from typer import core
from typer._coercion import RuntimeParam, TypeDescriptor, build_runtime_param

if TYPE_CHECKING:
    from typer._click import Context


class AsItIs(RuntimeParam):
    """Asks pydantic about what is of another type than the parameter's, such as a number that was typed."""

    def _coerce_value(self, value: Any, param: Any, ctx: "Context") -> Any:
        if self.annotation == list[str] and all(type(each) is str for each in value):
            return value
        if type(value) is self.annotation:
            return value
        return build_runtime_param(param.type_descriptor)._coerce_value(value, param, ctx)  # noqa: SLF001


def take_values_as_they_are() -> None:
    """In this process, for all commands; Typer offers no place for it."""
    core.build_runtime_param = _built  # type: ignore[attr-defined]  # it does not export it


def _built(descriptor: TypeDescriptor) -> RuntimeParam:
    if descriptor.is_file:
        return build_runtime_param(descriptor)
    return AsItIs(descriptor.parameter_info, descriptor.annotation)
