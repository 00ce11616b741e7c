"""Kubeconfig files, read and merged as ``kubectl`` does: the first file that names a thing wins."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

from golive.errors import ConfigError
from golive.types import Json, dig, items, mapping, text

_KINDS = ("clusters", "contexts", "users")


@dataclass(frozen=True, slots=True)
class Part:
    """A cluster or a user, and the folder that relative paths in it start from."""

    kind: str
    name: str
    folder: str
    body: Json = field(repr=False)

    def __str__(self) -> str:
        return f"kubeconfig, {self.kind} {self.name!r}"

    def word(self, key: str) -> str:
        """The text under ``key``; empty where there is none.

        Raises ``ConfigError`` for another kind of value: YAML reads an unquoted token of digits as a number, and
        without it the requests would be anonymous.
        """
        found = dig(self.body, key, default="")
        if not isinstance(found, str):
            raise ConfigError(f"{self}: expected {key} to be a text (in quotes), found another kind of value")
        return found

    def path(self, key: str) -> str:
        """The file that ``key`` names, as an absolute path; empty where there is none."""
        named = self.word(key)
        return str(Path(self.folder) / Path(named).expanduser()) if named else ""

    def pem(self, key: str) -> str:
        """The content of ``KEY-data``, or of the file ``KEY``. Raises ``ConfigError``."""
        data = self.word(f"{key}-data")
        try:
            if data:
                return base64.b64decode("".join(data.split()), validate=True).decode("ascii")
            file = self.path(key)
            return Path(file).read_text(encoding="ascii") if file else ""
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{self}: expected {key} to be PEM (in base64 for {key}-data), found: {error}") from error
        except OSError as error:
            raise ConfigError(f"{self}: expected {key} to be readable, found: {error.strerror}: {file}") from error


@dataclass(frozen=True, slots=True)
class Chosen:
    """One context with its cluster, user and namespace (empty where it names none)."""

    context: str
    cluster: Part
    user: Part
    namespace: str


def load(kubeconfig: str | None, context: str | None) -> Chosen:
    """Read the files and choose ``context``, or the current one. Raises ``ConfigError``."""
    read = [(path, _read(path)) for path in _paths(kubeconfig)]
    where = ", ".join(str(path) for path, _ in read)
    wanted = context or next((text(body, "current-context") for _, body in read if text(body, "current-context")), "")
    chosen = _find(read, "contexts", wanted) if wanted else None
    if chosen is None:
        there = ", ".join(sorted({text(one, "name") for _, body in read for one in items(body, "contexts")})) or "none"
        named = f"context {wanted!r}" if wanted else "a current-context (or target.context in golive.toml)"
        raise ConfigError(f"target.context: expected {named} in {where}, found contexts: {there}")
    parts = mapping(chosen[1], "context")
    cluster = _find(read, "clusters", text(parts, "cluster"))
    if cluster is None:
        raise ConfigError(f"{where}: expected cluster {text(parts, 'cluster')!r} of context {wanted!r}, found none")
    user = _find(read, "users", text(parts, "user"))
    if user is None and text(parts, "user"):
        raise ConfigError(f"{where}: expected user {text(parts, 'user')!r} of context {wanted!r}, found none")
    folder, body = user or ("", {})
    return Chosen(
        wanted,
        Part("cluster", text(cluster[1], "name"), cluster[0], mapping(cluster[1], "cluster")),
        Part("user", text(body, "name"), folder, mapping(body, "user")),
        text(parts, "namespace"),
    )


def _paths(kubeconfig: str | None) -> list[Path]:
    """The files to read. A file named in ``golive.toml`` must be there; of ``$KUBECONFIG`` one must."""
    from_environment = os.environ.get("KUBECONFIG", "")
    named = kubeconfig or from_environment or "~/.kube/config"
    paths = [Path(part).expanduser().absolute() for part in named.split(os.pathsep) if part]
    there = [path for path in paths if path.exists()]
    if there and (not kubeconfig or len(there) == len(paths)):
        return there
    source = "target.kubeconfig" if kubeconfig else "$KUBECONFIG" if from_environment else "~/.kube/config"
    missing = ", ".join(str(path) for path in paths if path not in there) or "an empty value"
    raise ConfigError(
        f"{source}: expected a kubeconfig, found no file {missing}; set target.kubeconfig in golive.toml or KUBECONFIG"
    )


def _read(path: Path) -> Json:
    import yaml

    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable kubeconfig, found: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected a kubeconfig in UTF-8, found other bytes at {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}: expected a complete kubeconfig, found broken YAML{line} (half written?)") from error
    except (ValueError, RecursionError) as error:  # a date that is none, or a nest without end
        raise ConfigError(f"{path}: expected a complete kubeconfig, found broken YAML: {error}") from error
    if not isinstance(body, dict):
        raise ConfigError(f"{path}: expected a kubeconfig, found {'an empty file' if body is None else 'other YAML'}")
    for kind in _KINDS:
        listed = body.get(kind)
        if listed is not None and not (isinstance(listed, list) and all(isinstance(one, dict) for one in listed)):
            raise ConfigError(f"{path}: expected {kind} to be a list of named entries, found something else")
    return body


def _find(read: list[tuple[Path, Json]], kind: str, name: str) -> tuple[str, Json] | None:
    found = ((str(path.parent), one) for path, body in read for one in items(body, kind) if text(one, "name") == name)
    return next(found, None)
