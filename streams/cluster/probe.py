"""Looks at why no broker could be used, by plain sockets: Kafka's client only says that it gave up.

A few bytes of Kafka's protocol tell a broker from anything else that may listen there, and show whether it wants TLS or a
sign-in. Nothing is changed by it.
"""

from __future__ import annotations

import socket
import ssl

from streams.cluster.address import Address
from streams.cluster.errors import BrokerUnreachable, SignInFailed, TlsFailed
from streams.log.errors import LogError

_TIMEOUT_S = 3.0
#: ApiVersions, version 0: every broker answers, also before a sign-in. Size, key 18, version, correlation 1, no client id.
_HELLO = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"
#: Metadata, version 4, of no topics: a broker that wants a sign-in first hangs up.
_ASK = b"\x00\x00\x00\x0f\x00\x03\x00\x04\x00\x00\x00\x02\xff\xff\x00\x00\x00\x00\x00"
#: SaslHandshake, version 1, without its size and its text.
_HANDSHAKE = b"\x00\x11\x00\x01\x00\x00\x00\x03\xff\xff"
_TLS_ALERT = b"\x15\x03"
#: No answer to these questions is longer.
_LONGEST = 1 << 20


def probe(address: Address) -> LogError | None:
    """What is wrong with each broker of an address, of the last one; None where nothing shows."""
    found: LogError | None = None
    for server in address.servers:
        found = _probe(address, server)
        if found is None:
            return None
    return found


def _probe(address: Address, server: str) -> LogError | None:
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        connection: socket.socket = socket.create_connection((host, int(port)), _TIMEOUT_S)
    except socket.gaierror as error:
        return BrokerUnreachable(f"{server}: no such host ({error.strerror}): check the address and the name service")
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return BrokerUnreachable(f"{server} cannot be reached ({why}): check the address, and that the broker runs")
    with connection:
        if address.tls:
            try:
                connection = address.tls_context().wrap_socket(connection, server_hostname=host)
            except ssl.SSLCertVerificationError as error:
                return TlsFailed(
                    f"{server}: its certificate is not trusted ({error.verify_message}): give the CA that signed it, ca=FILE in "
                    "the address, and the host name that it was made for"
                )
            except (ssl.SSLError, OSError) as error:
                return TlsFailed(
                    f"{server} does not answer with TLS ({_reason(error)}): it may be its plain port; write another port, or "
                    "another security= in the address"
                )
        with connection:
            return _talk(address, server, connection)


def _talk(address: Address, server: str, connection: socket.socket) -> LogError | None:
    try:
        answer = _asked(connection, _HELLO)
    except OSError as error:
        answer = b""
        if isinstance(error, ssl.SSLError):
            return TlsFailed(
                f"{server} breaks the encrypted connection off ({_reason(error)}): it may ask for a certificate"
            )
    if answer.startswith(_TLS_ALERT) or (not answer and not address.tls):
        return TlsFailed(f"{server} seems to speak TLS: write security=ssl, or sasl_ssl with a user, in the address")
    if answer[4:8] != b"\x00\x00\x00\x01":
        return BrokerUnreachable(f"what answers at {server} is no Kafka broker: check host and port")
    if address.signs_in:
        return _sign_in(address, server, connection)
    try:
        if not _asked(connection, _ASK):
            raise ConnectionResetError
    except OSError:
        return SignInFailed(
            f"{server} wants a sign-in: write USER@HOST:PORT and security=sasl_{'ssl' if address.tls else 'plaintext'} in the address"
        )
    return None


def _sign_in(address: Address, server: str, connection: socket.socket) -> LogError | None:
    mechanism = address.mechanism.encode()
    question = _HANDSHAKE + len(mechanism).to_bytes(2) + mechanism
    try:
        answer = _asked(connection, len(question).to_bytes(4) + question)
    except OSError:
        answer = b""
    if answer[8:10] == b"\x00\x00":
        # It would take the mechanism: what is left to be wrong is who comes with it.
        return SignInFailed(
            f"{server} did not let {address.user} in by {address.mechanism} in time: check user and password, and the load of the "
            "broker"
        )
    if not answer:
        return SignInFailed(
            f"{server} hangs up before a sign-in: it may want none; write another security= in the address"
        )
    offered = ", ".join(_texts(answer[10:]))
    return SignInFailed(f"{server} knows no sign-in by {address.mechanism}: write mechanism=, of {offered or 'none'}")


def _texts(array: bytes) -> list[str]:
    """The texts of an array as Kafka writes it."""
    texts, at = [], 4
    for _ in range(int.from_bytes(array[:4])):
        size = int.from_bytes(array[at : at + 2])
        texts.append(array[at + 2 : at + 2 + size].decode("ascii", "replace"))
        at += 2 + size
        if at >= len(array):
            break
    return texts


def _asked(connection: socket.socket, question: bytes) -> bytes:
    """The whole answer, with its size; what came of one that is none of Kafka's; empty where the other side hung up."""
    connection.sendall(question)
    answer, wanted = b"", 4
    while len(answer) < wanted and (some := connection.recv(wanted - len(answer))):
        answer += some
        if len(answer) == 4 and (size := int.from_bytes(answer)) <= _LONGEST:
            wanted += size
    return answer


def _reason(error: OSError) -> str:
    return (isinstance(error, ssl.SSLError) and error.reason) or error.strerror or str(error) or type(error).__name__
