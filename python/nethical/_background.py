"""Waiting from within ``asyncio``."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    import asyncio

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="With")


async def in_background(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function that waits, such as :func:`nethical.sync`, on a thread of its own, and await its result.

    The loop goes on meanwhile, and its usual threads stay free. Whoever cancels this waits no longer; what the
    function has begun goes on to its own deadline, and keeps neither the loop nor the program from ending.
    """
    import asyncio  # Whoever has a loop has it; for others it would take longer than all of this package.

    loop = asyncio.get_running_loop()
    ended: asyncio.Future[_T] = loop.create_future()
    context = contextvars.copy_context()
    name = getattr(function, "__name__", type(function).__name__)

    def settle(error: BaseException | None, result: _T | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(result)  # type: ignore[arg-type]
        else:
            ended.set_exception(error)

    def work() -> None:
        error: BaseException | None = None
        result = None
        try:
            result = context.run(function, *args, **kwargs)
        except StopIteration as raised:
            error = RuntimeError(f"{name} raised StopIteration")  # No future may hold one.
            error.__cause__ = raised
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, error, result)
        except RuntimeError:
            pass  # The loop has ended, and nobody waits any more.

    threading.Thread(target=work, name=f"nethical-{name}", daemon=True).start()
    return await ended


class With:
    """``with`` and ``async with``, for what waits at its end."""

    __slots__ = ()

    def _leave(self, error: BaseException | None) -> None:
        """What is done at the end of a block, and with which exception it ended."""
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(error)

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await in_background(self.__exit__, kind, error, trace)
