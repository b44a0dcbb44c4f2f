"""Exceptions. Each has a ``code`` for programs and a ``hint``: what to do next."""

from __future__ import annotations


class NethicalError(Exception):
    """Everything that Nethical raises by itself, wrong arguments aside (TypeError, ValueError)."""

    code: str
    """A stable name of the failure, such as ``jsonl.is_directory``."""
    hint: str | None
    """What to do next; None where the message says it already."""

    def __init__(self, message: str = "", code: str = "nethical", hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint

    def __str__(self) -> str:
        shown = self.hint is None or self.hint in self.message
        return self.message if shown else f"{self.message}; hint: {self.hint}"

    def __reduce__(self) -> tuple[type[NethicalError], tuple[str, str, str | None]]:
        return (type(self), (self.message, self.code, self.hint))


class ConfigError(NethicalError, ValueError):
    """The options cannot work."""


class PathError(ConfigError, OSError):
    """A path at which no file can be."""


class UnauthorizedError(NethicalError, PermissionError):
    """Permissions or credentials are missing, wrong or not sufficient."""


class UnavailableError(NethicalError, OSError):
    """The destination cannot be reached or is not well."""


class RefusedError(NethicalError, RuntimeError):
    """The destination does not take it, and would not take it the next time."""


class DeadlineError(NethicalError, TimeoutError):
    """It did not come to its end in the time that was given; it goes on in the background."""


class ClosedError(NethicalError, ValueError):
    """A connector was used after its close."""


_KINDS: dict[str, type[NethicalError]] = {
    "closed": ClosedError,
    "config": ConfigError,
    "gone": ConfigError,
    "refused": RefusedError,
    "rate_limited": UnavailableError,
    "unauthorized": UnauthorizedError,
    "unavailable": UnavailableError,
}
_PATHS = {"jsonl.is_directory", "jsonl.not_a_directory", "jsonl.name_too_long"}


def build(kind: str, code: str, message: str, hint: str | None) -> NethicalError:
    """The exception for a failure of the engine's."""
    kind = "closed" if code == "runs.closed" else kind
    kind_of = PathError if code in _PATHS else _KINDS.get(kind, NethicalError)
    return kind_of(message, code, hint)
