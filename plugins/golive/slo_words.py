"""Figures for people: no rounding that puts a value on the other side of its limit, or onto it."""

from __future__ import annotations

import math


def percent(ratio: float, limit: float) -> str:
    """``0.31 %``: two digits, or as many as it takes to be over, under or at ``limit`` as the ratio itself is."""
    return f"{figure(ratio * 100, limit * 100)} %"


def bounded(value: float, low: float, high: float, limit: float, sign: str = "") -> str:
    """``0.31 % (0.12 to 0.49 %)`` of ratios; ``sign`` as in a format, for differences."""
    told, least, most = (figure(one * 100, limit * 100, sign) for one in (value, low, high))
    return f"{told} % ({least} to {most} %)"


def figure(value: float, limit: float, sign: str = "") -> str:
    """Two digits that count, or as many as it takes to be over, under or at ``limit`` as ``value`` itself is."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    places = max(0, 1 - math.floor(math.log10(abs(value))))
    while places < 15 and _side(float(f"{value:.{places}f}"), limit) != _side(value, limit):
        places += 1
    text = f"{value:{sign}.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def many(count: float) -> str:
    """``8 112``; a decimal only where Prometheus' scaling made one of a small count."""
    whole = abs(count - round(count)) < 0.05 or count >= 100
    return f"{count:,.0f}".replace(",", " ") if whole else f"{count:.1f}"


def _side(value: float, limit: float) -> int:
    # What was multiplied by 100 is not exact: 0.0029 * 100 is 0.29 but for the last digit.
    if math.isclose(value, limit, rel_tol=1e-12):
        return 0
    return 1 if value > limit else -1
