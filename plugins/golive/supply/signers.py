"""From ``[supply_chain]`` of ``golive.toml`` to who may sign one image."""

from __future__ import annotations

import re

from golive.supply.errors import Code, Refused
from golive.supply.identity import Signer
from golive.supply_settings import Signing, SupplyChain, ref_of


def of_release(settings: SupplyChain, tag: str, commit: str) -> Signer:
    """Who may sign the release: this tag, built from this commit (40 hex digits; empty: any commit of the ref)."""
    return _signer(settings, settings, tag, commit, settings.identity.replace("{tag}", re.escape(tag)))


def of_other(settings: SupplyChain, signing: Signing, tag: str) -> Signer:
    """Who may sign another image with its own tag.

    Raises ``Refused`` (NO_TAG) where the ref is that of a tag, and the image is written without one.
    """
    if "{tag}" in signing.ref and not tag:
        raise Refused(Code.NO_TAG, f"tag that {signing.ref} needs", expected="one in the image's name", found="none")
    return _signer(settings, signing, tag, "", "")


def _signer(settings: SupplyChain, signing: Signing, tag: str, commit: str, pattern: str) -> Signer:
    return Signer(
        repository=signing.repository,
        workflow=signing.workflow,
        ref=ref_of(signing.ref, tag),
        issuer=settings.issuer,
        runner="" if settings.runner == "any" else settings.runner,
        commit=commit,
        name_pattern=pattern,
    )
