"""Settings: from flags, then ``FENGSUI_*`` variables, then ``fengsui.toml``, then what is built in; each knows where it came from."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fengsui.secret import Secret, without_password
from sinks.live.address import MEMORY, RedisAddress
from sinks.store.address import Address

CONFIG_FILE = "fengsui.toml"
PREFIX = "FENGSUI_"


class SettingsError(ValueError):
    """Settings that cannot be used; ``str()`` is one line for each, with its place."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Listen:
    """Where the server answers. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8080

    @property
    def loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Settings:
    """What a system runs by. Docstrings of the keys: docs/operations.md."""

    data: Path = Path("data")
    #: None: the packs that come with the program
    rules: Path | None = None
    #: read the rule files again when they change
    watch: bool = True
    listen: Listen = Listen()
    #: None: the logs of the data directory; else the cluster that has them, ``kafka://``
    log: str | None = None
    #: None: ``chdb://`` below the data directory
    store: str | None = None
    #: ``memory://``, or a Redis that several processes share
    live: str = MEMORY
    #: of the Redis, where the address has none
    redis_password: Secret | None = None
    redis_password_file: Path | None = None
    #: of the user in ``store``, so that it need not stand there
    store_password: Secret | None = None
    store_password_file: Path | None = None
    #: the certificate (PEM) that signed that of an https store
    store_ca: Path | None = None
    #: the name of ClickHouse's cluster that the tables are made on
    store_cluster: str = ""
    store_replicated: bool = False
    #: the server gathers the inserts of many writers
    store_async: bool = False
    #: what is kept on the disk while a store on a server is down, of each table
    store_spool_gb: float = 2.0
    zone: str = "Asia/Shanghai"
    behind_proxy: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_max_gb: float = 8.0
    log_max_days: float = 30.0
    #: of the program's own messages: debug, info, warning, error
    verbosity: str = "warning"
    #: setting -> where it came from
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def tls(self) -> bool:
        return self.tls_cert is not None

    @property
    def live_address(self) -> RedisAddress | None:
        """The Redis of the live state; None where it is kept in memory. SettingsError where its password cannot be read."""
        password = self.redis_password.value if self.redis_password else None
        if password is None and self.redis_password_file is not None:
            try:
                password = self.redis_password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError([f"{self.redis_password_file}: the password cannot be read: {error}"]) from error
        return RedisAddress.parse(self.live, password=password)

    def store_address(self, directory: Path) -> Address:
        """Where the store is; ``directory``: where it is when none is named. SettingsError where the password cannot be read."""
        if self.store is None:
            return Address(f"chdb://{directory.resolve()}")
        password = self.store_password.value if self.store_password else None
        if self.store_password_file is not None:
            try:
                password = self.store_password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(
                    [f"store_password_file: {self.store_password_file} cannot be read: {error}"]
                ) from error
        return Address(
            self.store,
            password,
            cluster=self.store_cluster,
            replicated=self.store_replicated,
            authority=self.store_ca,
            gathered=self.store_async,
        )


def _listen(value: object) -> Listen:
    text = str(value).strip()
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:8080")
    return Listen(host, int(port))


def _path(value: object) -> Path:
    if not str(value).strip():
        raise ValueError("empty")
    return Path(str(value)).expanduser()


def _boolean(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).lower() not in words:
        raise ValueError("write true or false")
    return words[str(value).lower()]


def _positive(value: object) -> float:
    number = float(str(value))
    if not 0 < number < 1e9:
        raise ValueError("must be a number above 0")
    return number


def _log(value: object) -> str:
    from streams.cluster.address import parse_address

    parse_address(str(value))
    return str(value)


def _store(value: object) -> str:
    text = str(value)
    scheme = urlsplit(text).scheme
    if scheme not in {"chdb", "http", "https"}:
        raise ValueError("write chdb:///PATH or http(s)://USER:PASSWORD@HOST:8123/DATABASE")
    return text


def _live(value: object) -> str:
    text = str(value)
    RedisAddress.parse(text)
    return text


def _cluster(value: object) -> str:
    text = str(value)
    if not re.fullmatch(r"[A-Za-z0-9_.{}-]{0,200}", text):
        raise ValueError("write a cluster's name as remote_servers has it")
    return text


def _secret(value: object) -> Secret:
    if not str(value):
        raise ValueError("empty")
    return Secret(str(value))


def _zone(value: object) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no such time zone; write one such as Asia/Shanghai") from None


def _verbosity(value: object) -> str:
    word = str(value).lower()
    if word not in {"debug", "info", "warning", "error"}:
        raise ValueError("write debug, info, warning or error")
    return word


_READERS: dict[str, Callable[[object], Any]] = {
    "data": _path,
    "rules": _path,
    "watch": _boolean,
    "listen": _listen,
    "log": _log,
    "store": _store,
    "live": _live,
    "redis_password": _secret,
    "redis_password_file": _path,
    "store_password": _secret,
    "store_password_file": _path,
    "store_ca": _path,
    "store_cluster": _cluster,
    "store_replicated": _boolean,
    "store_async": _boolean,
    "store_spool_gb": _positive,
    "zone": _zone,
    "behind_proxy": _boolean,
    "tls_cert": _path,
    "tls_key": _path,
    "log_max_gb": _positive,
    "log_max_days": _positive,
    "verbosity": _verbosity,
}
KEYS = tuple(_READERS)
#: Variables that steer something else than a setting.
_OTHER_VARIABLES = {
    "FENGSUI_CONFIG",
    "FENGSUI_DEBUG",
    "FENGSUI_KAFKA_PASSWORD",
    "FENGSUI_LANG",
    "FENGSUI_NODE",
}


def load_settings(
    flags: Mapping[str, object], *, environ: Mapping[str, str] | None = None, config: Path | None = None
) -> Settings:
    """The settings in force. ``flags`` holds None for what was not given. Raises SettingsError with every fault."""
    environ = os.environ if environ is None else environ
    faults: list[str] = []
    given: dict[str, tuple[object, str]] = {}
    for name, value, where in _from_file(config, environ, faults):
        given[name] = (value, where)
    for variable, text in sorted(environ.items()):
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable in _OTHER_VARIABLES:
            continue
        if name in _READERS:
            given[name] = (text, variable)
        else:
            faults.append(f"{variable}: no such setting{_hint(name, upper=True)}")
    for name, value in flags.items():
        if value is not None:
            given[name] = (value, f"--{name.replace('_', '-')}")
    values: dict[str, Any] = {}
    for name, (value, where) in given.items():
        try:
            values[name] = _READERS[name](value)
        except ValueError as error:
            shown = "***" if _READERS[name] is _secret else without_password(str(value))[:80]
            faults.append(f"{where} = {shown!r}: {error}")
    settings = Settings(**values, origins={name: given[name][1] if name in given else "built in" for name in KEYS})
    faults += _together(settings)
    if faults:
        raise SettingsError(faults)
    return settings


def _from_file(config: Path | None, environ: Mapping[str, str], faults: list[str]) -> list[tuple[str, object, str]]:
    named = config or (Path(environ["FENGSUI_CONFIG"]) if environ.get("FENGSUI_CONFIG") else None)
    path = named or Path(CONFIG_FILE)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named is not None:
            faults.append(f"{path}: no such file")
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(f"{path}: cannot be read as TOML: {error}")
        return []
    found = []
    for name, value in table.items():
        if name in _READERS:
            found.append((name, value, f"{path}: {name}"))
        else:
            faults.append(f"{path}: {name}: no such setting{_hint(name)}")
    return found


def _together(settings: Settings) -> list[str]:
    """What is wrong only in combination."""
    faults = []
    if (settings.tls_cert is None) != (settings.tls_key is None):
        faults.append("--tls-cert and --tls-key go together")
    files = (settings.tls_cert, settings.tls_key, settings.redis_password_file, settings.store_ca)
    faults += [f"{path}: no such file" for path in files if path is not None and not path.is_file()]
    if settings.store_password is not None and settings.store_password_file is not None:
        faults.append("store_password and store_password_file: give one of them")
    if settings.store is None or settings.store.startswith("chdb:"):
        faults += [
            f"{name} goes with a store on a server: give --store http(s)://..."
            for name in ("store_cluster", "store_replicated", "store_async")
            if getattr(settings, name)
        ]
    if not settings.listen.loopback and not settings.tls and not settings.behind_proxy:
        faults.append(
            f"--listen {settings.listen} can be reached from other machines, and without TLS tokens could be read on the way: "
            "give --tls-cert and --tls-key, or --behind-proxy where a proxy on this machine ends TLS"
        )
    return faults


def _hint(name: str, *, upper: bool = False) -> str:
    near = difflib.get_close_matches(name.lower(), KEYS, n=1)
    if not near:
        return f"; there are {', '.join(KEYS)}"
    return f"; did you mean {PREFIX + near[0].upper() if upper else near[0]}?"


assert {item.name for item in fields(Settings)} == {*KEYS, "origins"}
