"""Unified social credit codes with right check characters (GB 32100-2015, GB 11714-1997), for entities that do not exist."""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def organization_check(body: str) -> str:
    """The ninth character of an organization code from its first eight (GB 11714).

    >>> organization_check("D2143569")
    'X'
    """
    total = sum(_ORG_ALPHABET.index(char) * weight for char, weight in zip(body, _ORG_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def credit_check(body: str) -> str:
    """The eighteenth character of a credit code from its first seventeen (GB 32100).

    >>> credit_check("91350100M000100Y4")
    '3'
    """
    total = sum(_ALPHABET.index(char) * weight for char, weight in zip(body, _WEIGHTS, strict=True))
    return _ALPHABET[-total % 31]


def credit_code(region: str, number: int) -> str:
    """A valid code of a company registered in ``region`` (6 digits); ``number`` tells companies apart (below 28 million)."""
    assert len(region) == 6, region
    assert 0 <= number < 28_629_151, number
    letters = ""
    for _ in range(5):
        number, digit = divmod(number, 31)
        letters = _ALPHABET[digit] + letters
    organization = "MAC" + letters
    body = "91" + region + organization + organization_check(organization)
    return body + credit_check(body)
