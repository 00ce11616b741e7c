"""From ``[supply_chain.trust]`` of ``golive.toml`` to a trusted root. Loaded once for all images."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from golive.supply import refresh, trust
from golive.supply.errors import Code, Refused
from golive.supply_settings import Trust


def trusted(settings: Trust, *, folder: Path, today: date) -> trust.Trust:
    """The trusted root; ``folder``, the run's own, is where mode public downloads to.

    Raises ``Refused`` (TRUST_ROOT), which proves nothing against a release.
    """
    if settings.mode == "public":
        raw, source = refresh.public_root(folder, seconds=settings.refresh_seconds), f"Sigstore's, refreshed {today}"
    else:
        raw, source = _read(settings.file), f"{settings.file and settings.file.name}"
    return trust.load(
        raw,
        source=source,
        sha256=settings.sha256 or "",
        pinned_on=settings.pinned_on,
        max_age_days=settings.max_age_days,
        today=today,
    )


def _read(path: Path | None) -> bytes:
    if path is None:
        raise Refused(Code.TRUST_ROOT, "supply_chain.trust.file", expected="a file", found="none")
    try:
        return path.read_bytes()
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise Refused(Code.TRUST_ROOT, f"{path}", expected="a readable trusted root", found=found) from error
