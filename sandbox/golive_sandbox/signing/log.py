"""Transparency logs as Rekor keeps them: v1, which promises a time, and v2, which leaves time to timestamps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from golive_sandbox.signing import keys
from golive_sandbox.signing.bodies import canonical
from golive_sandbox.signing.tree import Proof, Tree, leaf
from golive_sandbox.types import Json, text

Sign: TypeAlias = Callable[[bytes], bytes]

_OLDER_SHARDS = 4_163_431
"""Entries of the shards before this one: the index in the whole log is not the one in the tree."""
_TREE = 2605736670972794746
_ED25519_NOTE = b"\n\x01"  # what stands between name and key in a key's id, https://c2sp.org/signed-note


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry with its proof, as it was when the entry was added.

    ``at`` is in unix seconds, ``promise`` signs it (SET); both are empty in a log that promises nothing.
    """

    body: bytes
    log_id: bytes
    index: int
    proof: Proof
    checkpoint: str
    at: int = 0
    promise: bytes = b""

    def in_bundle(self) -> Json:
        """As a bundle's ``tlogEntries`` hold it."""
        body = json.loads(self.body)
        found: Json = {
            "logIndex": str(self.index),
            "logId": {"keyId": keys.b64(self.log_id)},
            "kindVersion": {"kind": text(body, "kind"), "version": text(body, "apiVersion")},
            "inclusionProof": {
                "logIndex": str(self.proof.position),
                "rootHash": keys.b64(self.proof.root),
                "treeSize": str(self.proof.size),
                "hashes": [keys.b64(one) for one in self.proof.path],
                "checkpoint": {"envelope": self.checkpoint},
            },
            "canonicalizedBody": keys.b64(self.body),
        }
        if self.at:
            found["integratedTime"] = str(self.at)
        if self.promise:
            found["inclusionPromise"] = {"signedEntryTimestamp": keys.b64(self.promise)}
        return found

    def promised(self) -> Json:
        """What the promise is over, as cosign's annotation holds it."""
        return {
            "body": keys.b64(self.body),
            "integratedTime": self.at,
            "logID": self.log_id.hex(),
            "logIndex": self.index,
        }

    def answer(self) -> Json:
        """As Rekor v1 answers ``GET /api/v1/log/entries``: by its UUID."""
        proof: Json = {
            "checkpoint": self.checkpoint,
            "hashes": [one.hex() for one in self.proof.path],
            "logIndex": self.proof.position,
            "rootHash": self.proof.root.hex(),
            "treeSize": self.proof.size,
        }
        verification: Json = {"inclusionProof": proof, "signedEntryTimestamp": keys.b64(self.promise)}
        return {f"{_TREE:016x}{leaf(self.body).hex()}": {**self.promised(), "verification": verification}}


class Log:
    """Rekor v1, known by ``name``, a host."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = keys.p256()
        self.id = keys.key_id(self.key)
        self._tree = Tree()

    @property
    def public_key(self) -> Json:
        """As a trusted root has it."""
        return keys.described(self.key)

    def add(self, body: Json, at: datetime) -> Entry:
        """Append an entry, prove it and promise its time."""
        raw = canonical(body)
        proof = self._tree.append(raw)
        entry = Entry(
            raw, self.id, proof.position + _OLDER_SHARDS, proof, self._checkpoint(proof, self.key), int(at.timestamp())
        )
        return replace(entry, promise=keys.sign(self.key, canonical(entry.promised())))

    def forged(self, entry: Entry) -> Entry:
        """The entry with a checkpoint that somebody else signed in this log's name."""
        return replace(entry, checkpoint=self._checkpoint(entry.proof, keys.p256()))

    def _checkpoint(self, proof: Proof, key: ec.EllipticCurvePrivateKey) -> str:
        return _note(f"{self.name} - {_TREE}", self.name, proof, self.id, lambda data: keys.sign(key, data))


class TiledLog:
    """Rekor v2, known by ``name``, a host: an Ed25519 key, no time and no promise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = ed25519.Ed25519PrivateKey.generate()
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(name.encode() + _ED25519_NOTE + raw).digest()
        self._tree = Tree()

    @property
    def public_key(self) -> Json:
        """As a trusted root has it."""
        spki = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"rawBytes": keys.b64(spki), "keyDetails": "PKIX_ED25519"}

    def add(self, body: Json, at: datetime) -> Entry:
        """Append an entry and prove it; nothing is said of ``at``."""
        raw = canonical(body)
        proof = self._tree.append(raw)
        return Entry(raw, self.id, proof.position, proof, self._checkpoint(proof, self._key))

    def forged(self, entry: Entry) -> Entry:
        """The entry with a checkpoint that somebody else signed in this log's name."""
        return replace(entry, checkpoint=self._checkpoint(entry.proof, ed25519.Ed25519PrivateKey.generate()))

    def _checkpoint(self, proof: Proof, key: ed25519.Ed25519PrivateKey) -> str:
        return _note(self.name, self.name, proof, self.id, key.sign)


def _note(origin: str, name: str, proof: Proof, key_id: bytes, sign: Sign) -> str:
    """A signed checkpoint, https://c2sp.org/tlog-checkpoint."""
    note = f"{origin}\n{proof.size}\n{keys.b64(proof.root)}\n"
    return f"{note}\n— {name} {keys.b64(key_id[:4] + sign(note.encode()))}\n"
