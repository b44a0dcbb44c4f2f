"""Receivers that run inside the process."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, TypeVar

from .. import _core
from ._records import ChatMessage, Component, LogEvent, Request, SyslogMessage, WandBRun

T = TypeVar("T", Request, ChatMessage, SyslogMessage, LogEvent, Component, WandBRun)
R = TypeVar("R", bound="Receiver[Any]")

PATIENCE = 10.0
"""Seconds that an assertion waits for what is still on its way."""


class Receiver(ABC, Generic[T]):
    """What all receivers have in common.

    ``strict`` asserts at the end of a ``with`` block that nothing came that the service would have refused.
    """

    _kind: ClassVar[str]

    def __init__(self, *, strict: bool = True) -> None:
        self.strict = strict
        self._core = _core.Receiver(self._kind)

    @property
    def received(self) -> list[T]:
        """What came so far, in order."""
        return [self._record(json.loads(value), body) for value, body in self._core.came()]

    @abstractmethod
    def _record(self, value: Any, body: bytes) -> T: ...

    @property
    def violations(self) -> list[str]:
        """What came in and broke a rule of the service, in words."""
        return self._core.violations()

    def wait_for(self, count: int = 1, timeout: float = PATIENCE) -> list[T]:
        """Wait until ``count`` came, and return all that came. An ``AssertionError`` after ``timeout`` seconds."""
        if not self._core.wait_for(count, timeout):
            raise AssertionError(f"{len(self.received)} of {count} came within {timeout:g} s{self._told()}")
        return self.received

    def assert_received(self, text: str, *, timeout: float = PATIENCE) -> T:
        """Assert that something with ``text`` in it comes within ``timeout`` seconds, and return the first."""
        count = 1
        while self._core.wait_for(count, timeout):
            came = self.received
            for record in came:
                if text in record.text:
                    return record
            count = len(came) + 1
        raise AssertionError(f"nothing with {text!r} came within {timeout:g} s{self._told()}")

    def assert_nothing_received(self, *, within: float = 0.0) -> None:
        """Assert that nothing came so far, nor does within so many seconds."""
        if self._core.wait_for(1, within):
            raise AssertionError(f"something came{self._told()}")

    def assert_no_violations(self) -> None:
        """Assert that nothing came that the service would have refused."""
        if broken := self.violations:
            raise AssertionError("the service would have refused:\n  " + "\n  ".join(broken))

    def stop(self) -> None:
        """Stop listening, as a service that is down. Whatever is sent from now on waits or fails."""
        self._core.stop()

    def _told(self) -> str:
        texts = [record.text for record in self.received]
        told = "".join(f"\n  {text}" for text in texts[-10:])
        broken = "".join(f"\n  refused: {text}" for text in self.violations)
        return (f"; what came:{told}" if told else "; nothing came") + broken

    def __enter__(self: R) -> R:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self.strict:
            self.assert_no_violations()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._core.address()}>"


class _Web(Receiver[T]):
    @property
    def url(self) -> str:
        """The address to give to the destination."""
        return self._core.address()


class _Scripted(_Web[T]):
    def respond(
        self,
        status: int,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        *,
        always: bool = False,
    ) -> None:
        """Answer the next request like this, or every request from now on. Calls add up: each request takes one."""
        raw = body.encode() if isinstance(body, str) else body
        self._core.answer(status, list((headers or {}).items()), raw, always)


class WebhookReceiver(_Scripted[Request]):
    """Any web address. Answers 200 unless :meth:`respond` said otherwise."""

    _kind = "http"

    def _record(self, value: Any, body: bytes) -> Request:
        return Request(**value, body=body)


class SlackReceiver(_Scripted[ChatMessage]):
    """An incoming webhook of Slack, with its limits, its answers and its pace."""

    _kind = "slack"

    def _record(self, value: Any, body: bytes) -> ChatMessage:
        return ChatMessage(**value)


class DiscordReceiver(_Scripted[ChatMessage]):
    """A webhook of Discord, with its limits, its answers and its buckets."""

    _kind = "discord"

    def _record(self, value: Any, body: bytes) -> ChatMessage:
        return ChatMessage(**value)


class SyslogReceiver(Receiver[SyslogMessage]):
    """A syslog receiver on a port of its own, for UDP or for TCP with either framing."""

    def __init__(self, protocol: Literal["UDP", "TCP"] = "UDP", *, strict: bool = True) -> None:
        self.protocol = protocol
        """As :class:`SyslogConnector` takes it."""
        self._kind = f"syslog-{protocol.lower()}"  # type: ignore[misc]
        super().__init__(strict=strict)
        host, _, port = self._core.address().rpartition(":")
        self.host: str = host
        self.port: int = int(port)

    def _record(self, value: Any, body: bytes) -> SyslogMessage:
        if value is None:
            none: dict[str, Any] = dict.fromkeys(("timestamp", "host", "app_name", "proc_id", "msg_id"))
            text = body.decode("utf-8", "replace")
            return SyslogMessage(**none, facility=-1, severity=-1, structured={}, text=text, raw=body)
        return SyslogMessage(**value, raw=body)


class _Aws(_Web[T]):
    ACCESS_KEY_ID = "AKIDTEST"
    """The access key that the receiver knows."""
    SECRET_ACCESS_KEY = "secret"
    """Its secret. Every signature is computed again."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead destinations here: credentials and address. For ``monkeypatch.setenv`` or ``os.environ``."""
        return {
            "AWS_ACCESS_KEY_ID": self.ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": self.SECRET_ACCESS_KEY,
            "AWS_ENDPOINT_URL": self.url,
        }


class CloudWatchReceiver(_Aws[LogEvent]):
    """CloudWatch Logs with its limits."""

    _kind = "cloudwatch"

    def _record(self, value: Any, body: bytes) -> LogEvent:
        return LogEvent(**value)


class SageMakerReceiver(_Aws[Component]):
    """SageMaker's experiments, metrics and jobs, CloudWatch's metrics and S3, with their limits."""

    _kind = "sagemaker"

    def _record(self, value: Any, body: bytes) -> Component:
        return Component(**value)


class WandBReceiver(_Web[WandBRun]):
    """Weights & Biases: runs with their history, configuration and summary."""

    _kind = "wandb"
    API_KEY = "0123456789abcdef0123456789abcdef01234567"
    """A key of the right shape."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead destinations here. For ``monkeypatch.setenv`` or ``os.environ``."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": self.API_KEY, "WANDB_MODE": "online"}

    def _record(self, value: Any, body: bytes) -> WandBRun:
        return WandBRun(**value)
