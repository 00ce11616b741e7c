"""Whether the metrics were scraped without a gap (runbook section 4), from what a window says of its scrapes. Pure.

``4-observability`` claims it; until that is built, ``4-availability`` shows its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golive.slis import Slis

MOST_INTERVALS = 2.0
"""No gap is longer than this many scrape intervals."""


def unscraped(windows: Mapping[str, Slis | None]) -> tuple[str, ...]:
    """Why the scrapes of these windows (by name, such as ``weight 10``) had a gap, or may have had; empty: none.

    A window without counts, or one in which nothing was to be seen, was not scraped as far as anybody knows.
    """
    return tuple(f"{name}: {why}" for name, slis in windows.items() for why in _of(slis))


def _of(slis: Slis | None) -> list[str]:
    if slis is None:
        return ["nothing was counted"]
    found = [*([slis.blind] if slis.blind else []), *slis.lost]
    if not slis.interval > 0:
        return [*found, "the scrape interval is not known"]
    if not slis.lag <= MOST_INTERVALS * slis.interval:
        found.append(
            f"the newest sample was {slis.lag:.1f} s old, two intervals are {MOST_INTERVALS * slis.interval:g} s"
        )
    if not slis.unscraped <= MOST_INTERVALS * slis.interval:
        found.append(
            f"no sample of a pod for up to {slis.unscraped:.1f} s, two intervals are "
            f"{MOST_INTERVALS * slis.interval:g} s"
        )
    return found
