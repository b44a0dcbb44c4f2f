"""What a message can be handed to."""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from .. import _core, _events, _spool
from .._background import With, in_background
from .._spool import Durability, Spool
from ..errors import ClosedError
from ._connectors import CLOSE_TIMEOUT, FLUSH_TIMEOUT, WhenFull, _queue
from ._payload import WebhookDelivery, WebhookPayload, WebhookStatus, delivery_of

if TYPE_CHECKING:
    from .. import _shapes

Callback = Callable[[WebhookDelivery], object]

# Deliveries that are kept in memory.
KEPT = 1_000


class WebhookDispatcher(With, abc.ABC):
    """Takes messages.

    A subclass of one's own need only have ``dispatch``. In a :class:`WebhookManager` it is called in order, on
    one background thread of its own, so it may be slow; an exception there is a failed delivery and concerns
    nobody else.
    """

    @abc.abstractmethod
    def dispatch(self, payload: WebhookPayload) -> WebhookDelivery:
        """Deliver a message, and say what became of it."""

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """The latest deliveries that came to their end, oldest first: at most 1,000."""
        return list(self._kept())

    def _kept(self) -> deque[WebhookDelivery]:
        # A subclass need not call __init__.
        kept: deque[WebhookDelivery] = vars(self).setdefault("_deliveries", deque(maxlen=KEPT))
        return kept

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what waits. True if all of it came to its end in ``timeout`` seconds."""
        return True

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Deliver what waits, and let go of everything. A second call is harmless."""

    async def adispatch(self, payload: WebhookPayload) -> WebhookDelivery:
        """:meth:`dispatch`, for ``asyncio``. Cancelled it waits no longer; the message is on its way."""
        return await in_background(self.dispatch, payload)

    async def aflush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """:meth:`flush`, for ``asyncio``."""
        return await in_background(self.flush, timeout)

    async def aclose(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """:meth:`close`, for ``asyncio``."""
        await in_background(self.close, timeout)

    def _leave(self, error: BaseException | None) -> None:
        self.close()


class Callbacks:
    """Who is told of deliveries. It knows no dispatcher, so it keeps none alive."""

    def __init__(self, on_success: Callback | None, on_failure: Callback | None) -> None:
        for name, function in (("on_success", on_success), ("on_failure", on_failure)):
            if function is not None and not callable(function):
                raise TypeError(f"{name} takes a function, not {type(function).__name__}")
        self.on_success = on_success
        self.on_failure = on_failure

    def tell(self, delivery: WebhookDelivery) -> None:
        """Tell of a delivery that came to its end. What a callback raises is logged."""
        ended = {WebhookStatus.SUCCESS: self.on_success, WebhookStatus.FAILED: self.on_failure}
        callback = ended.get(delivery.status)
        if callback is not None:
            _events.shielded(callback, delivery)

    def __call__(self, found: dict[str, Any]) -> None:
        self.tell(delivery_of(found))


class EngineDispatcher(WebhookDispatcher):
    """A dispatcher whose destination is the engine's."""

    kind = ""
    """The type of the destination."""

    def __init__(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._options = dict(given)
        on_success, on_failure = given["on_success"], given["on_failure"]
        self._callbacks = Callbacks(on_success, on_failure)
        told = self._callbacks if on_success or on_failure else None
        spool = _spool.absolute(given["spool"])
        self._options["spool"] = spool
        # Unlike a file's, these wait on disk anyway.
        durability = given["durability"]
        on_disk = _spool.options(True if spool is None and durability else spool, durability, None)
        queue = _queue(given["max_queue"], given["when_full"], given["block_timeout"])
        name = self.kind if given["name"] is None else given["name"]
        webhook: _shapes.Webhook = {"on_delivery": told, "rate_limit_per_sec": given["rate_limit_per_sec"]}
        self._connector = _core.connect(self.kind, name, dict(options), queue, on_disk, webhook)

    @property
    def name(self) -> str:
        """The name in warnings and accounts."""
        return self._connector.name

    def dispatch(self, payload: WebhookPayload, *, wait: bool = True) -> WebhookDelivery:
        """Deliver a message, and come back with what became of it within ``total_timeout`` seconds.

        A failure is a failed delivery and a dead letter, not an exception. With ``wait=False`` the message is
        queued: this returns at once, and the message is tried until the receiver is well.
        """
        if not isinstance(payload, WebhookPayload):
            raise TypeError(f"dispatch() takes a WebhookPayload, not {type(payload).__name__}")
        if self._connector.closed:
            hint = "close a dispatcher only when nothing is sent any more"
            raise ClosedError(f"the dispatcher {self.name} is closed", "connector.closed", hint)
        (found,) = _core.deliver([self._connector], payload, wait)
        return self._ended(delivery_of(found))

    def _ended(self, delivery: WebhookDelivery) -> WebhookDelivery:
        if not delivery.queued:
            self._callbacks.tell(delivery)
        return delivery

    def _send(self, payload: WebhookPayload, wait: bool) -> WebhookDelivery:
        """By way of ``dispatch``, which may have been overridden, and may then know no ``wait``."""
        return self.dispatch(payload) if wait else self.dispatch(payload, wait=False)

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """The latest deliveries that came to their end, oldest first: at most 1,000."""
        return [delivery_of(found) for found in self._connector.recent_deliveries()]

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Deliver what is queued. True if all of it came to its end in ``timeout`` seconds."""
        return _core.flush([self._connector], timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Deliver what is queued, and let go of everything. A second call is harmless."""
        _core.close([self._connector], timeout)

    def check(self) -> str:
        """See whether messages would arrive, without sending one. Returns what was found, for people."""
        return self._connector.probe()

    async def acheck(self) -> str:
        """:meth:`check`, for ``asyncio``."""
        return await in_background(self.check)

    def status(self) -> dict[str, Any]:
        """The accounts, as :func:`nethical.status` describes them."""
        return self._connector.status()

    def dead_letters(self) -> list[dict[str, Any]]:
        """Messages that this process saw refused, the newest 16 MiB: ``line``, ``error``, ``attempts`` and ``at``.

        Those of all processes, with what can be done about them: :func:`nethical.dead_letters`.
        """
        return self._connector.dead_letters()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (type(self), self._options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({masked(self._address)!r}, name={self.name!r})"

    @property
    def _address(self) -> str:
        raise NotImplementedError


class ConfiguredDispatcher(EngineDispatcher):
    """A dispatcher that a configuration describes, of whatever type."""

    def __init__(
        self, config: _core.Config, name: str, kind: str, connector: _core.Connector | None = None
    ) -> None:
        self.kind = kind
        """The type of the destination."""
        self._options = {"config": config, "name": name, "kind": kind}
        self._callbacks = Callbacks(None, None)
        self._connector = config.connect("alerts", name) if connector is None else connector

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, kind={self.kind!r})"


def masked(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}/…"


def _open(kind: type[EngineDispatcher], options: dict[str, Any]) -> EngineDispatcher:
    return kind(**options)


class HTTPWebhookDispatcher(EngineDispatcher):
    """Posts JSON to any web address.

    ``headers`` come beside the usual ones; one of the same name takes its place. ``max_retries`` are the attempts
    in all, ``timeout`` seconds each, with waits of ``retry_delay x backoff_factor^n`` seconds in between, and
    ``total_timeout`` seconds for all of it. Only what may be well in a moment is tried again: not what the
    receiver refuses, and redirects are not followed.

    ``secret``, or several while receivers change from one to another, signs each message (Standard Webhooks);
    ``sha256_header`` names a header that gets the plain signature of the body as well. ``body`` is what is
    sent: ``"guide"`` (``event_type``, ``data``, ``timestamp``, ``metadata``), ``"standard"`` (``type``,
    ``timestamp``, ``data``) or ``{"template": "..."}`` with a Jinja template.

    ``ssrf_guard`` is for addresses that come from data: nothing is sent to private or local networks but those
    in ``ssrf_allow``. With ``dry_run`` everything is done but the request. ``on_success`` and ``on_failure`` get
    each :class:`WebhookDelivery` that came to its end: at once in ``dispatch``, on a background thread for what
    was queued.

    What is queued (``wait=False``) waits on disk and outlives the process: ``spool`` and ``durability`` as for
    :class:`~nethical.integrations.logging_connectors.CloudWatchConnector`.
    """

    kind = "http"

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
        max_retries: int = 3,
        retry_delay: float = 1,
        backoff_factor: float = 2,
        *,
        total_timeout: float = 60,
        secret: str | Sequence[str] | None = None,
        sha256_header: str | None = None,
        body: Literal["guide", "standard"] | Mapping[str, str] | None = None,
        rate_limit_per_sec: float | None = None,
        user_agent: str | None = None,
        dry_run: bool = False,
        ssrf_guard: bool = False,
        ssrf_allow: Sequence[str] = (),
        on_success: Callback | None = None,
        on_failure: Callback | None = None,
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
        spool: Spool = None,
        durability: Durability = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        secrets = [secret] if isinstance(secret, str) else list(secret or ())
        options = {
            "url": url,
            "headers": dict(headers) if headers else None,
            "timeout": timeout,
            "max_retries": max_retries,
            "retry_delay": retry_delay,
            "backoff_factor": backoff_factor,
            "total_timeout": total_timeout,
            "secrets": secrets or None,
            "sha256_header": sha256_header,
            "body": dict(body) if isinstance(body, Mapping) else body,
            "user_agent": user_agent,
            "dry_run": dry_run or None,
            "ssrf_guard": ssrf_guard or None,
            "ssrf_allow": list(ssrf_allow) or None,
        }
        self.url = url
        """The address, with whatever is secret in it."""
        self.headers: dict[str, str] = dict(headers or {})
        """The headers beside the usual ones."""
        self.timeout = timeout
        self.max_retries = max_retries
        self.retry_delay = retry_delay
        super().__init__(given, options)

    @property
    def _address(self) -> str:
        return self.url
