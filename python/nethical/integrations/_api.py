"""APIs that are spoken to with JSON and a key."""

from __future__ import annotations

import abc
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import _core
from .._background import in_background
from ..errors import NethicalError
from ._dispatchers import masked


@dataclass(frozen=True)
class APIResponse:
    """What an API answered."""

    status: int
    headers: dict[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class APIIntegration(abc.ABC):
    """A connection to an API of one's own choice."""

    @abc.abstractmethod
    def authenticate(self) -> bool:
        """Whether the API takes our key."""

    @abc.abstractmethod
    def send_data(self, data: Any) -> bool:
        """Send data. Whether the API took it."""

    @abc.abstractmethod
    def receive_data(self, **parameters: Any) -> dict[str, Any]:
        """Ask for data."""

    async def aauthenticate(self) -> bool:
        """:meth:`authenticate`, for ``asyncio``."""
        return await in_background(self.authenticate)

    async def asend_data(self, data: Any) -> bool:
        """:meth:`send_data`, for ``asyncio``. Cancelled it waits no longer; the data are on their way."""
        return await in_background(self.send_data, data)

    async def areceive_data(self, **parameters: Any) -> dict[str, Any]:
        """:meth:`receive_data`, for ``asyncio``."""
        return await in_background(lambda: self.receive_data(**parameters))


class GenericAPIIntegration(APIIntegration):
    """An API that takes JSON by POST and gives it by GET. Every call waits for the answer, and is made once.

    ``Authorization`` says ``Bearer KEY`` unless the key names a scheme itself (``Basic dXNlcjpw``); any other
    ``auth_header`` has the key as it is. ``auth_path``, ``send_path`` and ``receive_path`` are below ``base_url``,
    which is itself asked without them. ``timeout`` are the seconds of one call.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        auth_header: str = "Authorization",
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
        auth_path: str | None = None,
        send_path: str | None = None,
        receive_path: str | None = None,
        user_agent: str | None = None,
        ssrf_guard: bool = False,
    ) -> None:
        self._options = {
            "base_url": base_url, "api_key": api_key, "auth_header": auth_header,
            "headers": dict(headers) if headers else None, "timeout": timeout, "auth_path": auth_path,
            "send_path": send_path, "receive_path": receive_path, "user_agent": user_agent,
            "ssrf_guard": ssrf_guard,
        }  # fmt: skip
        self.base_url = base_url
        self.auth_header = auth_header
        self.headers: dict[str, str] = dict(headers or {})
        self._api = _core.Api(self._options)
        self.authenticated: bool = False
        """Whether the last :meth:`authenticate` said so."""

    def authenticate(self) -> bool:
        """Ask with GET whether the key is taken. 404 and 405 say that it is, 401 and 403 that it is not.

        False without a key. If there is no answer, or one that says nothing of the key, this raises
        :class:`nethical.NethicalError`.
        """
        self.authenticated = self._api.authenticate()
        return self.authenticated

    def send_data(self, data: Any) -> bool:
        """Send data as JSON. Whether the API took it; :attr:`last_response` says more. Never raises for a failure."""
        try:
            status, _, _ = self._api.send(data)
        except NethicalError:
            return False
        return 200 <= status < 300

    def receive_data(self, **parameters: Any) -> dict[str, Any]:
        """Ask for data with these parameters. What is no object becomes one: a list ``{"items": [...]}``.

        If there is no answer, or one that is no success or no JSON, this raises :class:`nethical.NethicalError`.
        """
        found: dict[str, Any] = self._api.receive([(name, str(value)) for name, value in parameters.items()])
        return found

    @property
    def last_response(self) -> APIResponse | None:
        """What the API answered to the last call; None if it did not."""
        last = self._api.last()
        return None if last is None else APIResponse(last[0], dict(last[1]), last[2])

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (type(self), self._options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({masked(self.base_url)!r})"


def _open(kind: type[GenericAPIIntegration], options: dict[str, Any]) -> GenericAPIIntegration:
    return kind(**options)
