"""Commands about a directory that a running system holds: they go through its API."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from dashboards.server.tokens import TOKEN_FILE
from fengsui.exits import InputFault, ServiceMissing
from fengsui.layout import DataDirectory
from fengsui.settings import Settings

_TIMEOUT_S = 60


def call(settings: Settings, method: str, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of an API call to the system that runs on this directory. ServiceMissing where none answers."""
    directory = DataDirectory(settings.data)
    address = directory.address()
    if address is None:
        raise ServiceMissing(
            f"no system runs on {settings.data}: start `fengsui up`, or name its directory with --data"
        )
    try:
        token = (settings.data / TOKEN_FILE).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ServiceMissing(
            f"{settings.data / TOKEN_FILE} cannot be read ({error.strerror}): use the account that runs it"
        ) from None
    request = urllib.request.Request(address + path, method=method, headers={"Authorization": f"Bearer {token}"})  # noqa: S310  # our own server
    # The certificate names the public host, and this goes to the same machine.
    context = ssl._create_unverified_context() if address.startswith("https:") else None  # noqa: S323
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=context) as answer:  # noqa: S310
            return answer.status, _body(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _body(error.read())
    except OSError as error:
        raise ServiceMissing(f"{address} does not answer ({error}): see its messages") from None


def _body(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def reload_rules(settings: Settings) -> str:
    """Asks for a reload; one line about the rules now in force. InputFault with every error of the rule files."""
    status, body = call(settings, "POST", "/api/v1/rules/reload")
    if status == 200:
        changed = "已生效" if body.get("position") else "没有变化"
        return f"{changed} · {body.get('count')} rules in force, version {body.get('version')}"
    errors = body.get("errors") or [body.get("detail") or body.get("title") or f"HTTP {status}"]
    if status == 409:
        raise InputFault("\n".join(map(str, errors)))
    raise ServiceMissing("\n".join(map(str, errors)))
