"""Syslog, against sockets of this process."""

import pickle
import socket
import threading
from datetime import datetime, timezone

import pytest

import nethical
from nethical.integrations.logging_connectors import LogAggregator, LogEntry, LogLevel, SyslogConnector


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("NETHICAL_HOME", str(tmp_path / "home"))


@pytest.fixture
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        yield receiver


def entry(message="Application started", **metadata):
    at = datetime(2026, 3, 1, 12, 34, 56, 123456, tzinfo=timezone.utc)
    return LogEntry(timestamp=at, level=LogLevel.INFO, message=message, source="nethical", metadata=metadata)


def test_udp_as_the_guide_has_it(udp):
    connector = SyslogConnector(host="localhost", port=udp.getsockname()[1], facility=16, protocol="UDP")
    assert connector.send(entry(version="1.0.0")) is True
    connector.close()
    message = udp.recv(65_536).decode()
    assert message.startswith("<134>2026-03-01T12:34:56.123456Z ")
    assert message.endswith(']: Application started {"version":"1.0.0"}') and " nethical[" in message
    status = connector.status()
    assert (status["accepted"], status["sent"], status["confirmed"]) == (1, 1, 0)


def test_tcp_gets_lines():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        got = []

        def read():
            stream, _ = listener.accept()
            with stream:
                while chunk := stream.recv(65_536):
                    got.append(chunk)

        reader = threading.Thread(target=read)
        reader.start()
        with SyslogConnector("127.0.0.1", listener.getsockname()[1], "local1", "tcp") as connector:
            for number in range(100):
                connector.send(entry(f"line {number}\nand more"))
        reader.join(10)
    lines = b"".join(got).decode().splitlines()
    assert len(lines) == 100 and all(line.startswith("<142>1 ") for line in lines)
    assert lines[7].endswith("line 7\\nand more")


def test_attributes_and_defaults(tmp_path):
    connector = SyslogConnector()
    assert (connector.host, connector.port, connector.facility, connector.protocol) == ("localhost", 514, 16, "UDP")
    assert connector.name == "syslog"
    named = SyslogConnector(path=tmp_path / "log", protocol="unix", name="local")
    assert (named.protocol, named.name) == ("UNIX", "local")
    assert SyslogConnector(protocol="TLS", host="logs.example").port == 6514
    assert SyslogConnector(protocol=None, host="::1").protocol == "UDP"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"protocol": "HTTP"}, "UDP"),
        ({"facility": 24}, "0 to 23"),
        ({"facility": "local9"}, "local0"),
        ({"port": 0}, "port"),
        ({"port": 70_000}, "port"),
        ({"port": "514"}, "port"),
        ({"host": ""}, "host"),
        ({"host": "http://logs.example"}, "without `http://`"),
        ({"host": "127.0.0.1:514"}, "option of its own"),
        ({"name": ""}, "cannot be the name"),
        ({"protocol": 7}, "protocol"),
        ({"rfc": 5425}, "5424"),
        ({"max_size": 10}, "480"),
        ({"ca_file": "ca.pem"}, "TLS"),
        ({"protocol": "TLS", "client_cert": "c.pem"}, "client_key"),
        ({"protocol": "TLS", "ca_file": "missing.pem"}, "missing.pem"),
    ],
)
def test_wrong_options(given, words):
    with pytest.raises(ValueError, match=words) as caught:
        SyslogConnector(**given)
    assert isinstance(caught.value, nethical.ConfigError)


def test_a_closed_port_holds_and_tells(udp, tmp_path):
    port = udp.getsockname()[1]
    udp.close()
    connector = SyslogConnector("127.0.0.1", port)
    connector.send(entry())
    assert connector.flush(0.5) is False
    status = connector.status()
    assert (status["sent"], status["waiting"]) == (0, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
        again.settimeout(10)
        assert connector.flush(10)
        assert b"Application started" in again.recv(65_536)
    connector.close()


def test_beside_others(udp, memory):
    with LogAggregator() as logs:
        logs.add_connector(SyslogConnector(port=udp.getsockname()[1], app_name="train", rfc=5424))
        logs.add_connector(memory)
        logs.log(LogLevel.CRITICAL, "m", "trainer", gpu={"0": 71.5})
    message = udp.recv(65_536).decode()
    assert message.startswith("<130>1 ") and " train " in message
    assert 'source="trainer"' in message and '[meta@32473 gpu/0="71.5"] m' in message


def test_connectors_pickle_as_their_options(udp):
    first = SyslogConnector("127.0.0.1", udp.getsockname()[1], "user", msg_id="X", rfc=5424)
    second = pickle.loads(pickle.dumps(first))
    assert repr(first) == repr(second) and second.facility == "user"
    second.send(entry())
    second.close()
    assert udp.recv(65_536).startswith(b"<14>1 ")
