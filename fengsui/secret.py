"""What is never shown: passwords, alone and inside addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """A text that shows itself only to one who asks for its ``value``."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "***"


def without_password(url: str) -> str:
    """An address as it may be shown, also one that is written wrongly.

    >>> without_password("http://fengsui:secret@ch:8123/fengsui")
    'http://fengsui:***@ch:8123/fengsui'
    >>> without_password("redis://:secret@127.0.0.1:port")
    'redis://:***@127.0.0.1:port'
    """
    return re.sub(r"(//[^/:@]*):.*@", r"\1:***@", url, count=1)
