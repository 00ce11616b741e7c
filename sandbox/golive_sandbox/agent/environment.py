"""A container's command line, environment and mounted files, read from the cluster as a kubelet reads them.

Volumes of Secrets and ConfigMaps are written to a folder of the pod, since a local process has no mounts of its own:
``$(GOLIVE_VOLUME_NAME)`` in command, args or env values is the folder of volume ``name`` (upper case, ``_`` for ``-``).
Folders of one pod lie beside each other, and beside them those of its containers, which they run in.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox import files
from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.images import Image
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError, SandboxError
from golive_sandbox.types import Json, dig, items, mapping, text

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
_FIELD_WITH_KEY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigMissingError(SandboxError):
    """Something the container's configuration refers to is not there: CreateContainerConfigError."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod runs: its address and its node's, its folder, and the address of the cluster network's proxy."""

    pod_ip: str
    host_ip: str
    folder: Path
    proxy: str


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


async def command(api: Api, pod: Json, container: Json, image: Image, place: Place) -> Command:
    """Put the command together. Raises ``ConfigMissingError``, or ``ApiError`` when the API server does not answer."""
    reader = _Reader(api, pod, place)
    env = _base(pod, image, place) | await reader.volumes(container)
    for source in items(container, "envFrom"):
        env |= await reader.env_from(source)
    for variable in items(container, "env"):
        if (value := await reader.value(variable, env)) is not None:
            env[text(variable, "name")] = value
    entrypoint = _strings(container, "command") or list(image.argv)
    return Command(tuple(expand(word, env) for word in (*entrypoint, *_strings(container, "args"))), env)


def expand(value: str, env: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced; an unknown name stays as it is and ``$$`` is a dollar sign, as Kubernetes has it."""

    def replace(found: re.Match[str]) -> str:
        return "$" if found[1] is None else env.get(found[1], found[0])

    return _REFERENCE.sub(replace, value)


def _base(pod: Json, image: Image, place: Place) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOSTNAME": text(pod, "metadata", "name"),
        "POD_IP": place.pod_ip,
        "BIND_ADDRESS": on_loopback(place.pod_ip),
        # What the cluster's DNS and routing are elsewhere: names and addresses of the cluster, through the proxy.
        "HTTP_PROXY": place.proxy,
        "HTTPS_PROXY": place.proxy,
        "NO_PROXY": "127.0.0.0/8,localhost",
        **dict(image.env),
    }


def _strings(container: Json, key: str) -> list[str]:
    found = dig(container, key, default=[])
    return [str(word) for word in found] if isinstance(found, list) else []


class _Reader:
    """Reads what one container refers to; an object is asked for once."""

    def __init__(self, api: Api, pod: Json, place: Place) -> None:
        self._api = api
        self._pod = pod
        self._place = place
        self._seen: dict[tuple[str, str], dict[str, bytes] | None] = {}

    async def value(self, variable: Json, env: Mapping[str, str]) -> str | None:
        """The value of one variable; ``None`` when its source is optional and missing."""
        source = mapping(variable, "valueFrom")
        if not source:
            return expand(text(variable, "value"), env)
        if "fieldRef" in source:
            return self._field(text(source, "fieldRef", "fieldPath"))
        for key, kind in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if key in source:
                return await self._key(kind, mapping(source, key))
        raise ConfigMissingError(f"env {text(variable, 'name')}: the sandbox knows no valueFrom {', '.join(source)}")

    async def env_from(self, source: Json) -> dict[str, str]:
        prefix = text(source, "prefix")
        for key, kind in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if key in source:
                reference = mapping(source, key)
                data = await self._data(kind, text(reference, "name"), optional=reference.get("optional") is True)
                return {prefix + name: value.decode(errors="replace") for name, value in data.items()}
        return {}

    async def volumes(self, container: Json) -> dict[str, str]:
        """Write the container's Secret and ConfigMap volumes; the folder of each, by the name of its variable."""
        mounted = {text(mount, "name") for mount in items(container, "volumeMounts")}
        return {
            "GOLIVE_VOLUME_" + re.sub(r"[^A-Z0-9]", "_", text(volume, "name").upper()): str(await self.write(volume))
            for volume in items(self._pod, "spec", "volumes")
            if text(volume, "name") in mounted
        }

    async def write(self, volume: Json) -> Path:
        """Write what one volume holds; a file that is there is replaced as a whole. Its folder."""
        folder = self._place.folder / "volumes" / text(volume, "name")
        data: dict[str, bytes] = {}
        for key, kind, name in (("secret", "secrets", "secretName"), ("configMap", "configmaps", "name")):
            if key in volume:
                source = mapping(volume, key)
                data = await self._data(kind, text(source, name), optional=source.get("optional") is True)
                if chosen := {text(item, "key"): text(item, "path") for item in items(source, "items")}:
                    data = {path: data[key] for key, path in chosen.items() if key in data}
        folder.mkdir(parents=True, exist_ok=True)
        self._forget_others(volume, folder, data)
        for path, content in data.items():
            target = folder / path
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ConfigMissingError(f"volume {text(volume, 'name')}: path {path!r} leaves the volume")
            files.write_secret(target, content)
        return folder

    def _forget_others(self, volume: Json, folder: Path, data: Mapping[str, bytes]) -> None:
        """What a Secret or ConfigMap no longer has is not mounted either; an emptyDir is the container's own."""
        if "emptyDir" in volume:
            return
        for left in folder.rglob("[!.]*"):  # a name with a dot is a file that is being written
            if left.is_file() and str(left.relative_to(folder)) not in data:
                left.unlink()

    def _field(self, path: str) -> str:
        if found := _FIELD_WITH_KEY.fullmatch(path):
            return text(self._pod, "metadata", found[1], found[2])
        match path:
            case "status.podIP" | "status.podIPs":
                return self._place.pod_ip
            case "status.hostIP":
                return self._place.host_ip
            case "metadata.labels" | "metadata.annotations":
                pairs = mapping(self._pod, *path.split("."))
                return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs.items()))
            case _:
                return text(self._pod, *path.split("."))

    async def _key(self, kind: str, reference: Json) -> str | None:
        name, key, optional = text(reference, "name"), text(reference, "key"), reference.get("optional") is True
        data = await self._data(kind, name, optional=optional)
        if key in data:
            return data[key].decode(errors="replace")
        if not optional:
            raise ConfigMissingError(
                f"couldn't find key {key} in {kind[:-1]} {text(self._pod, 'metadata', 'namespace')}/{name}"
            )
        return None

    async def _data(self, kind: str, name: str, *, optional: bool) -> dict[str, bytes]:
        if (kind, name) not in self._seen:
            self._seen[kind, name] = await self._fetch(kind, name)
        data = self._seen[kind, name]
        if data is None and not optional:
            raise ConfigMissingError(f'{kind[:-1]} "{name}" not found')
        return data or {}

    async def _fetch(self, kind: str, name: str) -> dict[str, bytes] | None:
        namespace = text(self._pod, "metadata", "namespace")
        try:
            found = await self._api.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
        except ApiError as missing:
            if missing.status == 404:
                return None
            raise
        plain = {key: str(value).encode() for key, value in mapping(found, "data").items()}
        if kind == "secrets":
            return {key: base64.b64decode(value) for key, value in plain.items()}
        binary = {key: base64.b64decode(str(value)) for key, value in mapping(found, "binaryData").items()}
        return plain | binary


async def follow(api: Api, pod: Json, config_map: str, place: Place) -> None:
    """Write the volumes that hold ``config_map`` again: it has changed, and mounted files follow."""
    reader = _Reader(api, pod, place)
    for volume in items(pod, "spec", "volumes"):
        if text(volume, "configMap", "name") == config_map:
            await reader.write(volume)


def forget(place: Place) -> None:
    """Remove the files written for a pod: Secrets must not stay on the disk when it is gone."""
    shutil.rmtree(place.folder / "volumes", ignore_errors=True)
