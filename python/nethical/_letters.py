"""Dead letters: entries that a destination refused, kept on disk until somebody has dealt with them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import _core, _times

if TYPE_CHECKING:
    from . import _shapes
    from .integrations.logging_connectors import LogConnector


@dataclass(frozen=True)
class DeadLetter:
    """An entry that its destination refused."""

    destination: str
    """The connector's name."""
    id: str
    """The id of the entry."""
    reason: str
    """A stable name of the failure, such as ``python.send_failed``."""
    answer: str
    """What the destination said."""
    attempts: int
    """How often it was sent."""
    first: datetime
    """When it was logged."""
    last: datetime
    """When it was given up."""
    entry: dict[str, Any] | None = field(compare=False)
    """The entry, as its line of JSON shows it. None if a later version of Nethical has written it."""
    home: str = field(compare=False, repr=False)
    """The directory of this and everything else that is kept."""
    stored: bytes = field(compare=False, repr=False)
    """The entry, as it is kept."""

    def replay(self, connector: LogConnector, timeout: float = 10.0) -> bool:
        """See :func:`nethical.replay`."""
        return replay(self, connector, timeout)

    def drop(self) -> None:
        """Have it be no dead letter any more."""
        _core.drop_letter(self.home, self.destination, self.id)


def dead_letters(
    destination: str | None = None,
    id: str | None = None,
    reason: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    home: str | os.PathLike[str] | None = None,
) -> list[DeadLetter]:
    """The dead letters of all processes with the same home (that of ``NETHICAL_HOME``, or ``home``).

    Of this ``destination``, with this ``id``, for this ``reason``, given up at or after ``since`` and
    before ``until`` (without a zone: local time), at most ``limit``, mostly oldest first. They are kept for
    14 days, and at most 256 MiB of them. Where nothing is kept on disk (``NETHICAL_SPOOL=off``,
    ``spool=False``) see the connector's own ``dead_letters()``.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"limit is {limit}: use 0 or more")
    wanted: _shapes.Wanted = {
        "destination": destination,
        "id": id,
        "reason": reason,
        "since": None if since is None else _times.micros(since),
        "until": None if until is None else _times.micros(until),
    }
    path = None if home is None else os.path.abspath(os.fsdecode(home))
    place, found = _core.dead_letters(path, wanted, limit)
    return [DeadLetter(**letter, home=os.fspath(place)) for letter in found]


def replay(letter: DeadLetter, connector: LogConnector, timeout: float = 10.0) -> bool:
    """Deliver ``letter`` to ``connector``, with the id that it has.

    True once it was delivered; it is no dead letter from then on. False if it was refused again, if there
    was no room, or if it was not delivered in ``timeout`` seconds: then it stays a dead letter, also if
    it is still on its way.
    """
    from .integrations._aggregator import handle_of

    return _core.replay_letter(letter.home, letter.destination, letter.stored, handle_of(connector), timeout)
