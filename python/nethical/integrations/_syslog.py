"""Log entries to a syslog receiver."""

from __future__ import annotations

import json
import os
from typing import Literal

from .. import _core, _spool
from .._spool import Durability, Spool
from ._connectors import EngineConnector, WhenFull, _queue

Path = str | os.PathLike[str]


class SyslogConnector(EngineConnector):
    """Sends to a syslog receiver over ``UDP``, ``TCP``, ``TLS``, or to a unix socket (``UNIX``).

    ``facility`` is a number from 0 to 23 or a name such as ``local0``. ``rfc`` is 5424, 3164,
    ``"3164-iso"`` or ``"auto"``, and ``framing`` of streams ``"octet"``, ``"lf"`` or ``"auto"``: what
    rsyslog and syslog-ng expect for the protocol and the port. A message is at most ``max_size`` bytes
    (2048 with UDP, else 8192); what is longer is cut, visibly. UDP is paced at ``datagrams_per_second``,
    0 for any number. With TLS ``ca_file`` says whom to trust instead of the system's authorities,
    ``client_cert`` and ``client_key`` who we are, and ``server_name`` whose certificate is expected
    if not the host's. The ``path`` of a unix socket is ``/dev/log`` unless named.

    Entries wait on disk, in ``NETHICAL_HOME`` or the directory that ``spool`` names, and outlive the
    process; with ``spool=False`` or ``NETHICAL_SPOOL=off`` they wait in memory. ``durability`` is as
    for :class:`JSONFileConnector`, ``interval`` unless named. Syslog has no receipts: entries count as ``sent``, never as ``confirmed``. Over
    a stream an entry may arrive twice after a break, over UDP it may not arrive at all.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int | None = None,
        facility: int | str = 16,
        protocol: str = "UDP",
        *,
        path: Path | None = None,
        rfc: int | Literal["3164-iso", "auto"] = "auto",
        framing: Literal["octet", "lf", "auto"] = "auto",
        app_name: str | None = None,
        proc_id: str | None = None,
        msg_id: str | None = None,
        enterprise_id: int = 32473,
        max_size: int | None = None,
        datagrams_per_second: int = 20_000,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        server_name: str | None = None,
        name: str | None = None,
        max_queue: int = 65_536,
        when_full: WhenFull = "drop_newest",
        block_timeout: float = 10.0,
        spool: Spool = None,
        durability: Durability = None,
    ) -> None:
        options = {
            "host": host,
            "port": port,
            "facility": facility,
            "protocol": protocol,
            "path": _absolute(path),
            "rfc": rfc,
            "framing": framing,
            "app_name": app_name,
            "proc_id": proc_id,
            "msg_id": msg_id,
            "enterprise_id": enterprise_id,
            "max_size": max_size,
            "datagrams_per_second": datagrams_per_second,
            "ca_file": _absolute(ca_file),
            "client_cert": _absolute(client_cert),
            "client_key": _absolute(client_key),
            "server_name": server_name,
        }
        given = {key: value for key, value in options.items() if value is not None}
        queue = _queue(max_queue, when_full, block_timeout)
        spool = _spool.absolute(spool)
        # Unlike a file's, these wait on disk anyway.
        on_disk = _spool.options(True if spool is None and durability else spool, durability, None)
        connector = _core.syslog(name, json.dumps(given), queue, on_disk)
        self.spool: Spool = spool
        self.durability: Durability = durability
        self.host: str = str(given.get("host", "localhost"))
        """The receiver's name or address."""
        self.protocol: str = str(given.get("protocol", "UDP")).upper()
        """``UDP``, ``TCP``, ``TLS`` or ``UNIX``."""
        self.port: int = port if port is not None else 6514 if self.protocol == "TLS" else 514
        """The receiver's port."""
        self.facility = facility
        """The facility, as it was given."""
        super().__init__(connector, {**given, "name": name, **queue, "spool": spool, "durability": durability})


def _absolute(path: Path | None) -> str | None:
    return None if path is None else os.path.abspath(os.fsdecode(path))
