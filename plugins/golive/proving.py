"""From what ``golive.slo`` decided to what a criterion claims: failed, not proven or passed, each with its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from golive.errors import Unreachable
from golive.slo import Decision
from golive.slo_filters import filters_of

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.evidence import Recorder
    from golive.slis import Slis
    from golive.slo import Judged

_MORE = (
    "send more requests to the canary, or let the window become longer (golive.toml: slo.max_window_seconds, "
    "canary.window_seconds)"
)
_SEE = "see that Prometheus answers, scrapes each pod and does not lag (its page /targets), then walk again"


def measured(slis: Slis | None, where: str, ended_by: str = "") -> Slis:
    """The counts of a window. Raises ``Unreachable`` where there are none; ``where`` is such as ``weight 10``."""
    if slis is None:
        raise Unreachable(
            f"{where}: expected the SLOs counted over a window, found none counted: "
            f"{ended_by or 'the window never began'}; {_SEE}"
        )
    return slis


def told(evidence: Recorder, where: str, slis: Slis) -> None:
    """Keep how a window was observed, and each query with the time it was about."""
    ended = "at a planned end" if slis.final else slis.early or slis.blind or "before its planned end"
    evidence.facts(
        f"the window of {where}",
        lasted=f"{slis.seconds:.1f} s, {slis.ends} planned {'end' if slis.ends == 1 else 'ends'}; ended {ended}",
        counted=f"canary {slis.canary.requests:g} requests, {slis.canary.errors:g} of them 5xx; "
        f"others {slis.others.requests:g}, {slis.others.errors:g} of them 5xx",
        unknown=f"canary {slis.canary.unknown:g}, others {slis.others.unknown:g} that may be a 5xx",
        between=f"canary {slis.between.requests:g} requests, {slis.between.errors:g} of them 5xx not in it",
        scraped=f"every {slis.interval:g} s; the newest sample {slis.lag:.1f} s old at the end",
        clocks=f"Prometheus' is {abs(slis.skew):.1f} s {'ahead of' if slis.skew > 0 else 'behind'} ours",
        gaps="\n".join(slis.gaps) or "none",
        lost="\n".join(slis.lost) or "nothing",
        blind=slis.blind or "no",
    )
    for one in slis.asked:
        evidence.facts(
            f"asked Prometheus, {where}", what=one.what, query=one.promql, about=f"{one.since} to {one.until}"
        )


def counted(
    evidence: Recorder, where: str, slis: Slis | None, ended_by: str, settings: Settings
) -> tuple[Slis, tuple[str, ...]]:
    """The counts of a window, kept as evidence, and why they may prove nothing; ``settings`` as in ``doubts_of``.

    Raises ``Unreachable`` where there are none.
    """
    found = measured(slis, where, ended_by)
    told(evidence, where, found)
    return found, doubts_of(found, where, settings, ended_by)


def shown(evidence: Recorder, judged: Sequence[Judged]) -> None:
    """Keep each figure with its bounds, its limit and what it was counted from."""
    for one in judged:
        evidence.facts(
            one.what,
            decided=one.decision.name.lower(),
            value=f"{one.value:.6g}",
            bounds=f"{one.low:.6g} to {one.high:.6g}",
            limit=f"{one.limit:.6g}",
            count=f"{one.count:g}",
            words=one.words,
        )


def prove(
    evidence: Recorder,
    judged: Sequence[Judged],
    *,
    expected: str,
    fix: str,
    doubts: Sequence[str] = (),
    vetoes: Sequence[Judged] = (),
    then: Callable[[], None] = lambda: None,
) -> None:
    """Claim what ``expected`` says of each of ``judged``.

    What is decided against one of them, or of the ``vetoes`` (which can only be bad), fails. Otherwise a doubt, such as
    a window that something else ended, and whatever is still open raise ``Unreachable``: not proven. ``then``: what may
    fail too, and takes longer to ask, or may not be to be seen: neither hides what is decided, nor is it hidden by a
    doubt.
    """
    shown(evidence, [*judged, *vetoes])
    bad = [one for one in (*judged, *vetoes) if one.decision is Decision.BAD]
    evidence.check(not bad, expected=expected, observed=_observed(bad or judged), fix=fix)
    then()
    still = [*doubts, *(one.words for one in judged if one.decision is not Decision.GOOD)]
    if not judged:
        still.append("nothing was there to judge")
    if still:
        raise Unreachable(f"expected {expected}; not decided: {'; '.join(still)}; {_MORE if not doubts else _SEE}")


def undecided(evidence: Recorder, where: str, slis: Slis, judged: Sequence[Judged]) -> None:
    """Claim that none of ``judged`` is decided against what a canary answered after its windows: ``slis``."""
    told(evidence, where, slis)
    shown(evidence, judged)
    bad = [one.words for one in judged if one.decision is Decision.BAD]
    evidence.check(
        not bad,
        expected=f"no SLO decided against it in {where} (runbook 2.2, 4)",
        observed=f"over the last {slis.seconds:.0f} s: {'; '.join(bad) or 'none decided against it'}",
        fix="read the canary's logs of that time; the release is taken back, walk it again when it is understood",
    )


def doubts_of(slis: Slis, where: str, settings: Settings, ended_by: str = "") -> tuple[str, ...]:
    """Why a window that decided nothing against the canary proves nothing for it either; empty where it was whole.

    ``settings``: those of now; a session before may have been asked for less, or may have counted something else.
    """
    if slis.blind:
        return (f"{where}: nothing was to be seen at its end: {slis.blind}",)
    if not slis.final:
        why = ended_by or slis.early or "something else ended it"
        return (f"{where}: its window was not whole ({slis.seconds:.1f} s): {why}",)
    if slis.lost:
        return (f"{where}: not all of its answers were counted: {'; '.join(slis.lost)}",)
    if other := unasked(slis, settings):
        return (f"{where}: {other}",)
    return ()


def unasked(slis: Slis, settings: Settings) -> str:
    """Why a whole window is not the one that is asked for; empty where it is."""
    least = settings.canary.window_seconds
    if slis.seconds < least:
        asked = f"{least:g} s are asked for (golive.toml: canary.window_seconds)"
        return f"its window lasted {slis.seconds:.1f} s, {asked}"
    if slis.filters != filters_of(settings):
        return (
            "its window was counted by other settings (series, labels, routes or rules of golive.toml: metrics, "
            "prometheus, slo.routes, slo.version_label) than those of now; put them back, or walk again"
        )
    return ""


def known(doubts: Sequence[str], expected: str) -> None:
    """Raises ``Unreachable`` where ``expected`` is not known, for these reasons."""
    if doubts:
        raise Unreachable(f"expected {expected}; not known: {'; '.join(doubts)}; {_MORE.replace('the canary', 'it')}")


def _observed(judged: Sequence[Judged]) -> str:
    return "; ".join(one.words for one in judged) or "nothing"
