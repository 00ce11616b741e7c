"""``golive init``: a ``golive.toml`` from what is found in the cluster and in the reviewed manifest; it only reads."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from golive import kubeconfig
from golive.access import IN_CLUSTER, resolve
from golive.errors import ApiError, ConfigError, GoliveError
from golive.types import items, mapping, text

if TYPE_CHECKING:
    from golive.cluster import Cluster

EXAMPLE = "golive.example.toml"
_ARGO = "/apis/argoproj.io/v1alpha1"
_CONTROLLER = "app.kubernetes.io/name=argo-rollouts"
_REQUEST_SECONDS, _REQUESTS_PER_SECOND = 5.0, 10.0
_KEY = re.compile(r"(?:# )?(?P<key>[a-z_]+) = .*")


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line: ``None`` where the cluster or the kubeconfig decides."""

    kubeconfig: str | None
    context: str | None
    namespace: str | None
    rollout: str | None
    manifest: str


@dataclass
class Found:
    """Values for ``section.key`` of the file; an empty one is written empty, and ``load`` will ask for it."""

    values: dict[str, str | bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, key: str, value: str, source: str) -> None:
        """Remember a value and where it came from."""
        self.values[key] = value
        self.notes.append(f"  {key} = {value or 'NOT FOUND, fill it in'}   ({source})")


def write(output: Path, asked: Asked) -> str:
    """Write the file; what was found, and what is left to fill in, as text.

    Raises ``ConfigError`` when the file exists already or the Rollout cannot be chosen, ``Unreachable`` when the
    cluster does not answer; either way nothing is written.
    """
    if output.exists():
        raise ConfigError(f"{output}: expected no such file yet, found one; move it away or name another --output")
    found = _look(asked)
    content = fill(example_text(), found.values)
    try:
        _keep(output, content)
    except OSError as error:
        raise ConfigError(f"{output}: expected to write the file, found: {error.strerror}") from error
    missing = [key for key, value in found.values.items() if value == ""]
    left = [*missing, "armed (false until you decide)", "[supply_chain]", "[people]"]
    return "\n".join([f"wrote {output}:", *found.notes, f"left for you: {', '.join(left)}", "then: golive plan"])


def _keep(output: Path, content: str) -> None:
    """The whole file or none, and never over one that somebody else wrote meanwhile."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=output.absolute().parent, prefix=".golive-") as file:
        file.write(content)
        file.flush()
        Path(file.name).chmod(0o644)
        os.link(file.name, output)


def _look(asked: Asked) -> Found:
    from golive.cluster import Cluster

    access = resolve(asked.kubeconfig, asked.context)
    # Its identity is what is being found out here; with none known, this client could not write if it tried.
    cluster = Cluster(access, uid="", request_seconds=_REQUEST_SECONDS, requests_per_second=_REQUESTS_PER_SECOND)
    found = Found({"armed": False})
    if asked.kubeconfig:
        where = asked.kubeconfig if asked.kubeconfig == IN_CLUSTER else str(Path(asked.kubeconfig).absolute())
        found.put("target.kubeconfig", where, "--kubeconfig")
    namespace = asked.namespace or ""
    if asked.kubeconfig != IN_CLUSTER:
        chosen = kubeconfig.load(asked.kubeconfig, asked.context)
        namespace = namespace or chosen.namespace
        found.put("target.context", chosen.context, "kubeconfig")
        found.put("target.cluster", chosen.cluster.name, "kubeconfig; call it as your people do")
    else:
        found.put("target.cluster", "", "a pod does not know its cluster's name")
    found.put("target.cluster_uid", cluster.observed_uid(), f"namespace kube-system at {access.server}")
    namespace = namespace or "default"
    found.put("target.namespace", namespace, "--namespace" if asked.namespace else "context")
    _rollout(cluster, namespace, asked.rollout, found)
    _controller(cluster, found)
    _manifest(Path(asked.manifest), found)
    return found


def _rollout(cluster: Cluster, namespace: str, wanted: str | None, found: Found) -> None:
    """The Rollout, and what its strategy names."""
    rollouts = {text(one, "metadata", "name"): one for one in cluster.list(f"{_ARGO}/namespaces/{namespace}/rollouts")}
    names = ", ".join(sorted(rollouts)) or "none"
    name = wanted or (next(iter(rollouts)) if len(rollouts) == 1 else "")
    if name not in rollouts:
        asked = f"Rollout {wanted!r}" if wanted else "exactly one Rollout, or its name in --rollout,"
        raise ConfigError(f"namespace {namespace}: expected {asked} there, found {names}")
    canary = mapping(rollouts[name], "spec", "strategy", "canary")
    found.put("target.rollout", name, f"namespace {namespace}")
    found.put("services.stable", text(canary, "stableService"), "spec.strategy.canary.stableService")
    found.put("services.canary", text(canary, "canaryService"), "spec.strategy.canary.canaryService")
    ingress = text(canary, "trafficRouting", "nginx", "stableIngress")
    if ingress:
        found.put("services.ingress", ingress, "trafficRouting.nginx.stableIngress")
    else:
        found.values["services.ingress"] = False
    containers = items(rollouts[name], "spec", "template", "spec", "containers")
    image = text(containers[0], "image") if containers else ""
    found.put("release.image", _repository(image), "the first container's image")


def _controller(cluster: Cluster, found: Found) -> None:
    try:
        pods = cluster.list("/api/v1/pods", labelSelector=_CONTROLLER)
    except ApiError as error:
        if error.status != 403:
            raise
        found.notes.append("  [argo]: its defaults; pods of all namespaces may not be listed")
        return
    places = sorted({text(pod, "metadata", "namespace") for pod in pods})
    if len(places) == 1:
        found.put("argo.namespace", places[0], _CONTROLLER)
    else:
        found.notes.append(f"  [argo]: its defaults; pods with {_CONTROLLER} are in: {', '.join(places) or 'none'}")


def _manifest(path: Path, found: Found) -> None:
    """Tag and digest as the reviewed manifest names them; the commit it was built from stands nowhere."""
    found.put("release.manifest", str(path), "--manifest")
    repository = str(found.values["release.image"])
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        content = ""
        found.notes.append(f"  {path}: not readable: {error}")
    seen = re.search(rf"{re.escape(repository)}:(?P<tag>[\w.-]+)@(?P<digest>sha256:[0-9a-f]{{64}})", content)
    for part in ("tag", "digest"):
        found.put(f"release.{part}", seen[part] if seen and repository else "", str(path))
    found.put("release.revision", "", "the commit of the build")


def _repository(image: str) -> str:
    """``repo`` of ``repo:tag@digest``; a port in the registry's name is no tag."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def example_text() -> str:
    """The commented example file: of the source tree, or the copy that an installed wheel carries."""
    package = Path(str(resources.files("golive"))).resolve()  # sys.path may hold a "..", which has no parent
    for path in (package / EXAMPLE, package.parent.parent / EXAMPLE):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise GoliveError(f"expected {EXAMPLE} in the source tree or in the installed package, found neither")


def fill(example: str, values: dict[str, str | bool]) -> str:
    """The example with ``values`` in place of its own; ``False`` for a text takes the key out, people are emptied.

    Who signs stands nowhere in a cluster: ``[supply_chain]`` is commented out.
    """
    section, lines = "", []
    for line in example.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        if section.startswith("supply_chain") and line and not line.startswith("#"):
            line = f"# {line}"
        match = _KEY.fullmatch(line)
        key = f"{section}.{match['key']}".lstrip(".") if match else ""
        if match and key in values:
            line = _line(match["key"], values[key])
        elif match and section == "people" and "name = " in line:
            line = f'{match["key"]} = {{name = "", contact = ""}}'
        lines.append(line)
    return "\n".join(lines) + "\n"


def _line(key: str, value: str | bool) -> str:
    if value is False and key != "armed":
        return f"# {key} = none was found"
    return f"{key} = {json.dumps(value)}"  # a JSON string or boolean is a TOML one
