"""TLS and signing in: what works, and what each mistake is told as."""

from __future__ import annotations

import socket
import subprocess
import threading

import pytest

from streams.cluster.address import parse_address
from streams.cluster.errors import BrokerUnreachable, SignInFailed, TlsFailed, TopicMissing
from streams.cluster.identity import open_cluster
from tests.cluster.kafka_broker import PASSWORD, USER


def opened(url):
    """Gets in and finds no cluster: what stands before that was right."""
    with pytest.raises(TopicMissing, match="there is no cluster"):
        open_cluster(parse_address(url))


def test_a_trusted_certificate_gets_in(broker, name):
    """By the CA file of the address."""
    opened(f"kafka://127.0.0.1:{broker.tls_port}/{name}?security=ssl&ca={broker.ca}")


def test_a_right_password_gets_in(broker, name, monkeypatch, tmp_path):
    """From the variable and from a file."""
    monkeypatch.setenv("FENGSUI_KAFKA_PASSWORD", PASSWORD)
    url = f"kafka://{USER}@127.0.0.1:{broker.sasl_port}/{name}?security=sasl_plaintext&mechanism=PLAIN"
    opened(url)
    monkeypatch.delenv("FENGSUI_KAFKA_PASSWORD")
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    opened(f"{url}&password_file={file}")


def test_tls_mistakes_are_told(broker, impatient, name, tmp_path):
    """No CA; another CA; another host name; TLS at a plain port; plain text at a TLS port."""
    tls = f"kafka://127.0.0.1:{broker.tls_port}/{name}"
    with pytest.raises(TlsFailed, match=r"certificate is not trusted .*ca=FILE"):
        open_cluster(parse_address(f"{tls}?security=ssl"))
    other = tmp_path / "other.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-out",
            other,
            "-subj",
            "/CN=x",
        ],
        check=True,
        capture_output=True,
    )
    with pytest.raises(TlsFailed, match="certificate is not trusted"):
        open_cluster(parse_address(f"{tls}?security=ssl&ca={other}"))
    with pytest.raises(TlsFailed, match="does not answer with TLS"):
        open_cluster(parse_address(f"kafka://127.0.0.1:{broker.port}/{name}?security=ssl&ca={broker.ca}"))
    with pytest.raises(TlsFailed, match="seems to speak TLS: write security=ssl"):
        open_cluster(parse_address(tls))


def test_sign_in_mistakes_are_told(broker, impatient, name, monkeypatch):
    """A wrong password; a mechanism that the broker has not; none where it wants one."""
    monkeypatch.setenv("FENGSUI_KAFKA_PASSWORD", "wrong")
    sasl = f"kafka://{USER}@127.0.0.1:{broker.sasl_port}/{name}?security=sasl_plaintext"
    with pytest.raises(SignInFailed, match=f"(does|did) not let {USER} in by PLAIN"):
        open_cluster(parse_address(f"{sasl}&mechanism=PLAIN"))
    with pytest.raises(SignInFailed, match="SCRAM-SHA-512"):
        open_cluster(parse_address(sasl))
    with pytest.raises(SignInFailed, match="wants a sign-in"):
        open_cluster(parse_address(f"kafka://127.0.0.1:{broker.sasl_port}/{name}"))


def test_what_is_no_kafka_is_told(impatient, name):
    """A web server's answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(BrokerUnreachable, match="is no Kafka broker"):
            open_cluster(parse_address(f"kafka://127.0.0.1:{listener.getsockname()[1]}/{name}"))
