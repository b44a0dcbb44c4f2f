"""Text and numbers that every receiver can read."""

from __future__ import annotations

import math
from typing import SupportsFloat


def readable(text: str) -> str:
    """The same with U+FFFD for each lone surrogate. Pairs become the character that they mean."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text_of(value: object) -> str:
    """Any value as such a text."""
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:
        text = f"<unprintable {type(value).__name__}>"
    return readable(text)


def digits_of(number: int) -> str:
    """A whole number of any size as text: hexadecimal past the interpreter's limit on digits."""
    try:
        return int.__repr__(number)
    except ValueError:
        return hex(number)


def float_of(number: SupportsFloat) -> float:
    """The nearest float: an infinity for what is beyond all of them."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf  # type: ignore[operator]
