"""Signed webhooks, as Standard Webhooks has them: for senders of their own, and for receivers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from .. import _core
from ..errors import NethicalError


class WebhookSignatureError(NethicalError, ValueError):
    """A message that is not to be trusted."""


def sign_webhook(
    body: bytes | str, secret: str | Sequence[str], *, id: str | None = None, timestamp: int | None = None
) -> dict[str, str]:
    """The headers ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` of a message with this body.

    ``secret`` is ``whsec_`` and base64, or any text; with several of them the message is signed with each.
    ``id`` is a new one unless it is given, ``timestamp`` (seconds since 1970) is now.
    """
    id = _core.new_id() if id is None else id
    timestamp = int(time.time()) if timestamp is None else timestamp
    signature = _core.sign(_list(secret), id, timestamp, _bytes(body))
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: int = 300,
    now: int | None = None,
) -> None:
    """Raise :class:`WebhookSignatureError` unless the message is from somebody who knows a secret, and from now.

    ``body`` must be the bytes as they came. Names of ``headers`` count in any case. ``tolerance`` are the seconds
    that the message may be older or newer than ``now``.
    """
    found = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not found.get(name)]
    if missing:
        hint = "the sender signs nothing, or something in between drops the header: answer 400 and do not trust the message"
        raise WebhookSignatureError(f"the header {missing[0]} is missing", "signature.missing", hint)
    now = int(time.time()) if now is None else now
    parts = (found["webhook-id"], found["webhook-timestamp"], found["webhook-signature"])
    failure = _core.verify(_list(secret), *parts, _bytes(body), now, tolerance)
    if failure is not None:
        hint = "compare the secret on both sides and the clocks, and pass the body as it came, byte for byte"
        raise WebhookSignatureError(failure, "signature.wrong", hint)


def _list(secret: str | Sequence[str]) -> list[str]:
    return [secret] if isinstance(secret, str) else list(secret)


def _bytes(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
