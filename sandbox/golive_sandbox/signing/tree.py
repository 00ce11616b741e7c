"""An append-only Merkle tree (RFC 6962, section 2.1) that others have written to before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

_FILLERS = 11  # so that every proof has hashes of both kinds


@dataclass(frozen=True, slots=True)
class Proof:
    """That the leaf at ``position`` is in the tree of ``size`` leaves with ``root``: the hashes from there up."""

    position: int
    size: int
    root: bytes
    path: tuple[bytes, ...]


class Tree:
    """Holds the hashes of its leaves."""

    def __init__(self) -> None:
        self._leaves = [leaf(f"somebody else's entry {number}".encode()) for number in range(_FILLERS)]

    def append(self, data: bytes) -> Proof:
        """One leaf more, proven in the tree that it makes."""
        self._leaves.append(leaf(data))
        position = len(self._leaves) - 1
        return Proof(position, len(self._leaves), *_proof(self._leaves, position))


def leaf(data: bytes) -> bytes:
    """A leaf's hash."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _proof(leaves: Sequence[bytes], position: int) -> tuple[bytes, tuple[bytes, ...]]:
    """The tree's root, and the hashes from the leaf at ``position`` up to it."""
    if len(leaves) == 1:
        return leaves[0], ()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if position < half:
        left, path = _proof(leaves[:half], position)
        right = _root(leaves[half:])
        return _node(left, right), (*path, right)
    left = _root(leaves[:half])
    right, path = _proof(leaves[half:], position - half)
    return _node(left, right), (*path, left)


def _root(leaves: Sequence[bytes]) -> bytes:
    return _proof(leaves, 0)[0]
