"""What a run was given: ``golive.toml``, the ratified list and the reviewed manifest, as they were when it began.

They are read once, by the controller. Workers get the settings through xdist's pipe; a file that was changed meanwhile
is a reason for NO-GO, because the verdict would speak of other words than those on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from golive.config import Settings, load
from golive.criterion import Ratified, find_ratified, load_ratified
from golive.errors import ConfigError, JournalError
from golive.redact import Redactor
from golive.servers import Prometheus
from golive.types import Json, dig, text


@dataclass(frozen=True, slots=True)
class Given:
    """The settings, the ratified list and where it is, and the hash of each file they were read from."""

    settings: Settings
    ratified: Ratified
    ratified_path: Path
    hashes: tuple[tuple[Path, str], ...] = ()
    refusal: str = ""
    """Why nothing may be judged by this process, where the list is not the one the controller read."""

    def changed(self) -> list[str]:
        """One line for each file that is no longer what was read at the start."""
        return [
            f"{path} was changed while the run was under way: it is not what was judged"
            for path, before in self.hashes
            if _hash(path) != before
        ]

    def to_json(self) -> Json:
        """For a worker."""
        settings: Json = self.settings.model_dump(mode="json")
        return {"settings": settings, "ratified_path": str(self.ratified_path), "ratified": self.ratified.sha256}


def read_given(file: Path, root: Path, wanted: Callable[[Path], bool]) -> Given | None:
    """Read what ``file`` (``golive.toml``) says and names; ``None`` where the list it names is not ``wanted``.

    Raises ``ConfigError``.
    """
    before = _hash(file)
    settings = load(file)
    _mind_routes(settings)
    path = find_ratified(settings.criteria, root, file.resolve().parent)
    if not wanted(path):
        return None
    ratified = load_ratified(path)
    if _hash(file) != before:
        raise ConfigError(f"{file}: expected a file at rest, found one that changed while it was read; start again")
    roots = settings.supply_chain.trust.file if settings.supply_chain else None
    reviewed = (settings.release.manifest, *settings.release.templates, *([roots] if roots else []))
    hashes = ((file.resolve(), before), (path.resolve(), ratified.sha256), *((one, _hash(one)) for one in reviewed))
    return Given(settings, ratified, path, hashes)


def _mind_routes(settings: Settings) -> None:
    """Raises ``ConfigError`` for a route that the record would tell otherwise: nothing could be judged by it again."""
    clean, times = Redactor.from_environment().text, f"p{100 * settings.slo.latency_quantile:g}"
    said = [f"{route}: {what} " for route in settings.metrics.critical_routes for what in ("5xx", times)]
    told = {"slo.routes": [settings.slo.routes], "metrics.critical_routes": [*settings.metrics.critical_routes, *said]}
    for name, words in told.items():
        if found := [clean(one) for one in words if clean(one) != one]:
            raise ConfigError(
                f"golive.toml: {name}: expected what the record can spell out, found what it masks as a secret: "
                f"{found[0]!r}; give the route another name, or the environment's secret another value"
            )


def given_by_controller(shared: str) -> Given:
    """A worker's: the controller's settings, and the same list or a refusal."""
    data: Json = json.loads(shared)
    given = cast("Json", dig(data, "given", default={}))
    settings = Settings.model_validate_json(json.dumps(given["settings"]))
    path, wanted = Path(text(given, "ratified_path")), text(given, "ratified")
    refusal = f"{path}: expected the ratified list that the controller read, found another"
    try:
        ratified = load_ratified(path)
    except ConfigError as error:
        return Given(settings, Ratified((), ""), path, refusal=f"{refusal}: {error}")
    return Given(settings, ratified, path, refusal="" if ratified.sha256 == wanted else refusal)


_UNKEPT: Mapping[str, bool | Mapping[str, bool]] = {
    **dict.fromkeys(
        ("people", "report", "registry", "github", "alertmanager", "gitops", "criteria", "supply_chain"), True
    ),
    "target": {"kubeconfig": True, "context": True},
    # By its labels and rules it is told what a window counted (golive.slo_filters).
    "prometheus": dict.fromkeys({*Prometheus.model_fields} - {"namespace_label", "pod_label", "rules"}, True),
    "metrics": {"bearer": True, "username": True, "password": True, "ca_file": True},
}
"""What no judgement of an observation reads: people, ways to servers, references to secrets."""


def kept_settings(settings: Settings) -> Json:
    """What the record keeps of ``golive.toml``, so that the same can be judged again with the same limits."""
    kept: Json = settings.model_dump(mode="json", exclude=_UNKEPT)
    return kept


def settings_kept(data: Json) -> Settings:
    """What ``kept_settings`` gave; the rest has its defaults. Raises ``JournalError``."""
    try:
        return Settings.model_validate_json(json.dumps(data))
    except ValueError as error:
        raise JournalError(f"expected the settings that the run was judged by, found others: {error}") from error


def _hash(path: Path) -> str:
    """The SHA-256 of a file; empty where it cannot be read, which is a state of it too."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return ""
