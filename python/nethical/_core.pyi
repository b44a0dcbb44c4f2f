# Written by `cargo xtask stub`, out of `python/src`.
"""
What the Python package stands on. Its names are no one else's to use.
"""

from _typeshed import SupportsGetItem
from nethical._shapes import Alert, Begin, Keep, Queue, Spool, Wanted, Webhook
from os import PathLike
from pathlib import Path
from typing import Any, Final, SupportsFloat, SupportsIndex, final
from typing_extensions import disjoint_base

__all__ = ["__version__", "Aggregator", "Alerts", "Api", "Config", "Connector", "Feed", "Monitoring", "Receiver", "Tracker", "Wandb", "close", "close_all", "command", "connect", "dead_letters", "deliver", "drop_letter", "end_open_runs", "entry_to_json", "flush", "generation", "level_name", "new_id", "next_notice", "parse_id", "payload_reaches", "payload_to_json", "register", "replay_letter", "sign", "status", "survey", "sync", "syslog", "verify"]

__version__: Final[str]
"""
The version of the package.
"""

@disjoint_base
class Aggregator:
    """
    The base of `LogAggregator`: takes entries and hands them to connectors.
    """
    def __new__(cls, /, *args: "Any", **_kwargs: "Any") -> Aggregator:
        """
        With the rules of a configuration, if one is the first argument; the others are a subclass's.
        """
    def _add(self, /, connector: Connector, level: Any) -> None: ...
    def _closed(self, /) -> None:
        """
        `close_all` was called: the first entry after it is worth a warning.
        """
    def _log_record(self, /, fields: dict[str, Any], own: "frozenset[str]", level: Any, message: Any, more: dict[str, Any] | None) -> bool:
        """
        Log a record of `logging`: what of its `fields` is none of its `own` is metadata, as is `more`.
        """
    def _remove(self, /, connector: Connector) -> bool: ...
    def log(self, /, level: Any, message: Any, source: Any, **metadata: "Any") -> bool:
        """
        Log an entry of now with this metadata. True if every connector took it.
        """
    def log_entry(self, /, entry: Any) -> bool:
        """
        Log an entry that was made before. True if every connector took it.
        """
    @property
    def repaired(self, /) -> int:
        """
        Entries in which some value was cut, replaced or left out so far.
        """

@final
class Alerts:
    """
    Routes alerts, and holds back what was sent: what `AlertManager` is made of.
    """
    def __new__(cls, /, settings: str, spool: Spool) -> Alerts:
        """
        With settings in JSON, `{"dedup_window": 1, "repeat_interval": 1, "routes": [], "monitors": []}`.
        """
    def close(self, /, timeout: SupportsFloat | SupportsIndex) -> bool:
        """
        Deliver what waits and close all. True if nothing was left undone.
        """
    def destinations(self, /) -> list[str]:
        """
        The names of the destinations.
        """
    def flush(self, /, timeout: SupportsFloat | SupportsIndex) -> bool:
        """
        Deliver what waits. True if all of it came to its end in time.
        """
    @staticmethod
    def from_config(config: Config) -> Alerts:
        """
        With what a configuration says of alerts, its destinations aside.
        """
    def have(self, /, members: SupportsGetItem[int, tuple[str, str, str, Connector]]) -> None:
        """
        Have exactly these destinations: name, type, lowest level and connector of each.
        """
    def look_after(self, /) -> None:
        """
        See what became of what was sent.
        """
    def resolve(self, /, key: str, message: str) -> dict[str, Any]:
        """
        What this key is about is over.
        """
    def send(self, /, parts: Alert) -> dict[str, Any]:
        """
        Raise an alert.
        """
    def states(self, /) -> str:
        """
        What is known of every key, as JSON.
        """

@final
class Api:
    """
    A client of one API: what `GenericAPIIntegration` is made of.
    """
    def __new__(cls, /, options: dict[str, Any]) -> Api:
        """
        A client with the options that the destination `api` would have.
        """
    def authenticate(self, /) -> bool:
        """
        Whether the key is taken.
        """
    def last(self, /) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """
        The last answer of this process, if there was one.
        """
    def receive(self, /, parameters: SupportsGetItem[int, tuple[str, str]]) -> Any:
        """
        Ask for data, as a dict.
        """
    def send(self, /, data: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """
        Send data as JSON; the answer's status, headers and body.
        """

@final
class Config:
    """
    A configuration that was read and checked; nothing of it is open yet.
    """
    def __new__(cls, /, path: str | PathLike[str] | None, text: str | None) -> Config:
        """
        Read a file, or a text in JSON.
        """
    def __reduce__(self, /) -> tuple[type, tuple[Path | None, str | None]]:
        """
        In another process it is read again.
        """
    def connect(self, /, table: str, name: str) -> Connector:
        """
        Open one, of the table with this name.
        """
    def open_logs(self, /) -> list[tuple[str, str, str, Connector]]:
        """
        Open all that take log entries: name, type, lowest level and connector of each.
        """
    def open_runs(self, /) -> list[tuple[str, str, Tracker]]:
        """
        Open every platform for runs: name, type and platform of each.
        """
    def open_webhooks(self, /) -> list[tuple[str, str, str, Connector]]:
        """
        The same for those that take messages.
        """
    def platform(self, /, name: str) -> Tracker:
        """
        Open one platform for runs.
        """

@final
class Connector:
    """
    Feeds one destination: what `JSONFileConnector` and the others are made of.
    """
    def clear(self, /) -> None:
        """
        Forget the lines that memory got.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether it was closed.
        """
    @staticmethod
    def custom(name: str, target: Any, queue: Queue, spool: Spool) -> Connector:
        """
        To an object that is written in Python.
        """
    def dead_letters(self, /) -> list[dict[str, Any]]:
        """
        Its dead letters, oldest first.
        """
    @staticmethod
    def jsonl(name: str, filepath: str | PathLike[str], options: dict[str, Any], queue: Queue, spool: Spool) -> Connector:
        """
        To a file of JSON lines. `options` are those of a configuration, but for the path, which need not be UTF-8.
        """
    def lines(self, /) -> list[bytes]:
        """
        The lines that memory got, oldest first.
        """
    @staticmethod
    def memory(name: str, max_events: SupportsIndex, queue: Queue) -> Connector:
        """
        To memory.
        """
    @property
    def name(self, /) -> str:
        """
        Its name in warnings and accounts.
        """
    def probe(self, /) -> str:
        """
        See whether a delivery would work, without delivering anything. Returns what was found, for people.
        """
    def recent_deliveries(self, /) -> list[dict[str, Any]]:
        """
        The latest deliveries that came to their end, oldest first.
        """
    def send(self, /, entry: Any) -> bool:
        """
        Hand over an entry. False if the queue is full and gives up new entries.
        """
    def start(self, /) -> None:
        """
        Start the thread of an object that is written in Python. Python gives none at the end of the
        program, so this is not left to the first entry.
        """
    def status(self, /) -> dict[str, Any]:
        """
        Its accounts.
        """

@final
class Feed:
    """
    The object's thread's side.
    """
    def done(self, /, refused: SupportsGetItem[int, tuple[SupportsIndex, str]]) -> None:
        """
        Say what became of it: places and reasons of what failed.
        """
    def next(self, /) -> tuple[str, list[tuple[str, bytes]]] | None:
        """
        Wait for something to do: `("deliver", [(id, line), ...])`, `("flush", [])` or `("close", [])`; None at the end.
        """

@final
class Monitoring:
    """
    Watches metrics: what `MonitoringSystem` is made of.
    """
    def __new__(cls, /, alerts: Alerts, aggregator: Aggregator) -> Monitoring:
        """
        With the monitors of these alerts' settings. Breaches are logged to this aggregator too.
        """
    def check(self, /, metric: str, value: SupportsFloat | SupportsIndex, threshold: SupportsFloat | SupportsIndex, condition: str) -> bool:
        """
        Whether a value is a breach; if so, there is an alert.
        """
    def observe(self, /, name: str, value: SupportsFloat | SupportsIndex) -> None:
        """
        Have the monitors of a metric see its value.
        """
    def save(self, /) -> None:
        """
        Write down how far the monitors have come.
        """
    def standings(self, /) -> list[tuple[str, str, str]]:
        """
        How each monitor stands: its name, its metric and the word for it.
        """
    def tick(self, /, seconds: SupportsFloat | SupportsIndex) -> None:
        """
        See what is missing and what has held for long enough, at this many seconds since 1970.
        """

@final
class Receiver:
    """
    A receiver on the loopback interface. It listens until it is stopped or forgotten.
    """
    def __new__(cls, /, kind: str) -> Receiver:
        """
        Start one on a free port.
        """
    def address(self, /) -> str:
        """
        Where it listens: the address that the destination is given, or `host:port` of syslog.
        """
    def answer(self, /, status: SupportsIndex, headers: SupportsGetItem[int, tuple[str, str]], body: SupportsGetItem[int, SupportsIndex], always: bool) -> None:
        """
        Answer the next request like this, or each one from now on.
        """
    def came(self, /) -> list[tuple[bytes, bytes]]:
        """
        What came so far, in order: as JSON, and the bytes.
        """
    def stop(self, /) -> None:
        """
        Stop listening and close every connection.
        """
    def violations(self, /) -> list[str]:
        """
        What came in and broke a rule of the service.
        """
    def wait_for(self, /, count: SupportsIndex, timeout: SupportsFloat | SupportsIndex) -> bool:
        """
        Wait until so many came, at most so many seconds. Whether they did.
        """

@final
class Tracker:
    """
    A platform: what `MLflowIntegration` and the others stand on.
    """
    def active_runs(self, /) -> list[str]:
        """
        The ids of open runs, oldest first.
        """
    def close(self, /, timeout: SupportsFloat | SupportsIndex) -> bool:
        """
        End the open runs, deliver what waits and let go.
        """
    def end_run(self, /, run: str, status: str, timeout: SupportsFloat | SupportsIndex | None) -> bool:
        """
        End a run. With a timeout: whether everything has been delivered by then.
        """
    def flush(self, /, timeout: SupportsFloat | SupportsIndex) -> bool:
        """
        Deliver what waits. True if everything came to its end in time.
        """
    def get_run(self, /, run: str) -> str | None:
        """
        A run of this process as JSON, if it is known.
        """
    def history(self, /, run: str, metric: str) -> list[tuple[int | None, float, int]]:
        """
        Every point of a metric that memory got: step, value and time in milliseconds.
        """
    def log_artifact(self, /, run: str, path: str | PathLike[str], folder: str | None, copy: bool) -> None:
        """
        Add a file or folder.
        """
    def log_metrics(self, /, run: str, metrics: dict[str, Any], step: SupportsIndex | None = None) -> None:
        """
        Add a point to each of some metrics.
        """
    def log_parameters(self, /, run: str, parameters: dict[str, Any]) -> None:
        """
        Set parameters.
        """
    @staticmethod
    def memory(name: str, max_events: SupportsIndex) -> Tracker:
        """
        Runs in memory.
        """
    @staticmethod
    def mlflow(name: str, options: dict[str, Any], source: str | None, queue: Queue, spool: Spool) -> Tracker:
        """
        Runs on an MLflow server. `source` is what the program calls itself.
        """
    def probe(self, /) -> str:
        """
        See whether runs would arrive.
        """
    def resume_run(self, /, run: str) -> None:
        """
        Go on with a run.
        """
    @staticmethod
    def sagemaker(name: str, options: dict[str, Any], queue: Queue, spool: Spool) -> Tracker:
        """
        Runs in SageMaker.
        """
    def set_tags(self, /, run: str, tags: SupportsGetItem[int, tuple[str, str]]) -> None:
        """
        Set tags.
        """
    def start_run(self, /, experiment: str, name: str | None, tags: SupportsGetItem[int, tuple[str, str]]) -> str:
        """
        Begin a run. Returns its id.
        """
    def status(self, /) -> dict[str, Any]:
        """
        Its accounts; those of its artifacts, where they have a queue of their own, under `artifacts`.
        """

@final
class Wandb:
    """
    The platform: what `WandBIntegration` stands on.
    """
    def __new__(cls, /, name: str, options: dict[str, Any], spool: Spool) -> Wandb: ...
    def active_runs(self, /) -> list[str]:
        """
        The ids of open runs.
        """
    def artifact(self, /, run: str, path: str | PathLike[str], keep: Keep) -> int:
        """
        Add an artifact. Returns the number by which its upload is known.
        """
    def artifact_state(self, /, run: str, number: SupportsIndex, timeout: SupportsFloat | SupportsIndex) -> tuple[str, str | None]:
        """
        How an artifact stands, after at most so many seconds: its id at the server, or why there is none.
        """
    def check_upload(self, /, run: str) -> None:
        """
        Raises what ended the upload of a run, if something did.
        """
    def close(self, /, timeout: SupportsFloat | SupportsIndex) -> bool:
        """
        End the open runs, deliver what waits and let go.
        """
    def configure(self, /, run: str, parameters: str) -> None:
        """
        Set parameters, given as the text of a JSON object.
        """
    def define_metric(self, /, run: str, name: str, step_metric: str | None, summary: SupportsGetItem[int, str], hidden: bool) -> None:
        """
        Define how a metric is drawn and summed up.
        """
    def directory(self, /, run: str) -> Path | None:
        """
        Where the run is on disk.
        """
    def end(self, /, run: str, status: str, timeout: SupportsFloat | SupportsIndex | None) -> bool:
        """
        End a run. With a timeout: whether everything has been delivered by then.
        """
    def file(self, /, run: str, source: str | PathLike[str], path: str) -> None:
        """
        Add a file to the files of a run.
        """
    def flush(self, /, timeout: SupportsFloat | SupportsIndex) -> bool:
        """
        Deliver what waits. True if everything came to its end in time.
        """
    def get_run(self, /, run: str) -> str | None:
        """
        A run of this process as JSON, if it is known.
        """
    def is_stopped(self, /, run: str) -> bool:
        """
        Whether somebody wants the run to stop.
        """
    def log(self, /, run: str, metrics: dict[str, Any], step: SupportsIndex | None = None) -> None:
        """
        Log a row.
        """
    def probe(self, /) -> str:
        """
        See whether runs would arrive.
        """
    def resume(self, /, run: str) -> None:
        """
        Go on with a run.
        """
    def set_notes(self, /, run: str, notes: str) -> None: ...
    def set_tags(self, /, run: str, tags: SupportsGetItem[int, tuple[str, str]]) -> None: ...
    def start(self, /, begin: Begin) -> str:
        """
        Begin a run. Returns its id.
        """
    def status(self, /) -> dict[str, Any]:
        """
        Its accounts.
        """

def close(connectors: SupportsGetItem[int, Connector], timeout: SupportsFloat | SupportsIndex) -> bool:
    """
    Close all of these at once. True if nothing was left undone.
    """

def close_all(timeout: SupportsFloat | SupportsIndex) -> list[dict[str, Any]]:
    """
    Close every connector of this process. Returns the accounts of those that had something left.
    """

def command(arguments: SupportsGetItem[int, str]) -> None:
    """
    Run the command with these arguments, of which the first is its own name, and end the process as it ends.

    The interpreter is not wound down: its exit handlers would wait for what the command has left for later.
    """

def connect(kind: str, name: str, options: dict[str, Any], queue: Queue, spool: Spool, webhook: Webhook | None = None) -> Connector:
    """
    Open a destination of this kind.
    """

def dead_letters(home: str | PathLike[str] | None, wanted: Wanted, limit: SupportsIndex | None) -> tuple[Path, list[dict[str, Any]]]:
    """
    The letters that match, and the home that they are in.
    """

def deliver(connectors: SupportsGetItem[int, Connector], payload: "Any", wait: bool) -> list[dict[str, Any]]:
    """
    Deliver a message to all of these at once, and wait for what becomes of it; or queue it.
    """

def drop_letter(home: str | PathLike[str], destination: str, id: str) -> None:
    """
    Note that a letter was dropped.
    """

def end_open_runs(status: str) -> int:
    """
    End every run that this process has begun and not ended. Says how many.
    """

def entry_to_json(entry: Any) -> str:
    """
    The line of this entry, with the usual rules.
    """

def flush(connectors: SupportsGetItem[int, Connector], timeout: SupportsFloat | SupportsIndex) -> bool:
    """
    Deliver what waits in all of these at once. True if all of it came to its end in time.
    """

def generation() -> int:
    """
    How many forks lie between this process and the first one.
    """

def level_name(level: Any) -> str:
    """
    The name of the level that is given as a member or a name.
    """

def new_id() -> str:
    """
    A new id, as text.
    """

def next_notice() -> tuple[Any, dict[str, Any]] | tuple[str, str, str, str | None] | None:
    """
    The next thing to tell; None at the end of them.
    """

def parse_id(text: str) -> str:
    """
    Check an id, and write it the usual way.
    """

def payload_reaches(payload: "Any", level: Any) -> bool:
    """
    Whether a message is of this level or above.
    """

def payload_to_json(payload: "Any") -> str:
    """
    The envelope of this payload, as one line of JSON.
    """

def register(log_level: type, log_entry: type) -> None:
    """
    Make the package's own classes known.
    """

def replay_letter(home: str | PathLike[str], destination: str, stored: bytes, connector: Connector, timeout: SupportsFloat | SupportsIndex) -> bool:
    """
    Deliver a letter again, as it is. True once it was delivered, and from then on it is no dead letter.
    """

def sign(secrets: SupportsGetItem[int, str], id: str, timestamp: SupportsIndex, body: bytes) -> str:
    """
    Sign the bytes of a message: the value of `webhook-signature`.
    """

def status() -> list[dict[str, Any]]:
    """
    The accounts of every connector of this process.
    """

def survey(path: str | PathLike[str] | None) -> list[dict[str, Any]]:
    """
    What the other processes with this home are doing, what ended ones have left, and of that also what
    this process has in its hands without a use for it.
    """

def sync(timeout: SupportsFloat | SupportsIndex) -> tuple[bool, list[dict[str, Any]], list[dict[str, Any]]]:
    """
    Deliver what waits for the destinations of this process, also what ended processes left for them. Returns
    whether all of it came to its end, what is left of it, and what waits for destinations that are not open.
    """

def syslog(name: str | None, options: str, queue: Queue, spool: Spool) -> Connector:
    """
    To a syslog receiver. `options` is a JSON object with the options of a configuration. Without a name
    what waits on disk is known by the receiver, so that a later program that sends there goes on with it.
    """

def verify(secrets: SupportsGetItem[int, str], id: str, timestamp: str, signature: str, body: bytes, now: SupportsIndex, tolerance: SupportsIndex) -> str | None:
    """
    See whether a message was signed with one of these secrets, `now` seconds after 1970. Says why not.
    """
