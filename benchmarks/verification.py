"""How long verification takes, beside the ``cosign`` program where it is on PATH. Ends with 1 where a target is missed.

``python benchmarks/verification.py [--times N] [--away MS]``: one image with one signature, one with fifty, twenty
images, signed by a private root, in a registry of its own on loopback; ``--away`` puts so many milliseconds between it
and who asks. Ours is what 1.4-signature and 4-supply-chain call for images beside the release's, once from the command
on (Python and its imports too) and once more in the same process, as in a session that runs. Targets: the first answer
in a session before cosign's, and from the command on twenty images in less than three times one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from golive.config import load
from golive.supply_settings import OtherImage, Signing, SupplyChain, Trust
from golive_fixtures.artifact import Artifact
from golive_fixtures.other_images import OtherImages, Running
from golive_fixtures.registry_accounts import Accounts
from golive_fixtures.reviewed import ImageRef

ROOT = Path(__file__).resolve().parent.parent
NAME, TAG, MOST_TIMES = "acme/maestro-control-plane", "v1.5.0", 3.0
CASES = {"one image, one signature": (1, 1), "one image, fifty signatures": (1, 50), "twenty images": (20, 1)}
"""Images, and signatures of each."""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds to the first image's answer, and to all."""

    first: float
    all: float

    def __str__(self) -> str:
        return f"{self.first:7.2f} {self.all:7.2f}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=5, help="how often each is measured (default 5)")
    arguments.add_argument("--away", type=float, default=0.0, metavar="MS", help="to the registry and back (default 0)")
    given = arguments.parse_args()
    cosign = shutil.which("cosign") or ""
    said = cosign_version(cosign) if cosign else "cosign: not on PATH"
    print(
        f"{os.cpu_count()} CPUs, {datetime.now(UTC):%Y-%m-%d}, {given.away:g} ms away, median of {given.times}; {said}"
    )
    print(f"{'seconds to the first image and to all':32} {'golive':>15} {'in a session':>16} {'cosign':>16}")
    with (
        tempfile.TemporaryDirectory(prefix="golive-bench-") as folder,
        served(Path(folder)) as (root, near, cases),
        away(near, given.away) as host,
    ):
        rows = [row(case, root, host, digests, given.times, cosign) for case, digests in cases.items()]
    times = [rows[2][of].all / rows[0][of].all for of in (0, 1)]
    print(
        f"twenty images take {times[0]:.1f} times one (wanted: less than {MOST_TIMES:g}), in a session {times[1]:.1f}"
    )
    slower = [
        case for case, (_, ours, *others) in zip(CASES, rows, strict=True) if others and ours.first > others[0].first
    ]
    if cosign:
        print(f"first answer after cosign's, in a session: {', '.join(slower) or 'nowhere'}")
    return 1 if slower or times[0] >= MOST_TIMES else 0


def row(case: str, root: Path, host: str, digests: Sequence[str], times: int, cosign: str) -> list[Took]:
    """Ours from the command on, ours in a session, and cosign's where it is there; printed too."""
    ours = [measured(root, host, digests) for _ in range(times)]
    found = [median([command for command, _ in ours]), median([again for _, again in ours])]
    if cosign:
        found.append(median([asked(cosign, root, host, digests) for _ in range(times)]))
    print("  ".join([f"{case:32}", *(f"{took}" for took in found)]), flush=True)
    return found


def median(found: Sequence[Took]) -> Took:
    return Took(statistics.median(one.first for one in found), statistics.median(one.all for one in found))


@contextmanager
def served(folder: Path) -> Iterator[tuple[Path, str, dict[str, list[str]]]]:
    """A registry with the images of each case: the trusted root's file, ``host:port``, digests by case."""
    from golive_sandbox.registry.evidence import Signer, workflow
    from selftests.hands.beside import BUNDLE, Signed
    from selftests.hands.registries import Shelf, push, real_registry, sha256

    signer, run, shelf = Signer(datetime.now(UTC).replace(microsecond=0)), workflow(TAG), Shelf()
    cases: dict[str, list[str]] = {}
    for case, (images, signatures) in CASES.items():
        for number in range(images):
            one = Signed(shelf)
            one.subject = sha256(shelf.index("linux/amd64", attestations=0, annotations={"of": f"{case}, {number}"}))
            for each in range(signatures):
                one.refer(signer.signature(replace(run, run=f"{each}"), one.subject))
            # As cosign writes the list; the self-tests' says less, as old clients do, and cosign reads none of that.
            one.entries = [{**entry, "artifactType": BUNDLE} for entry in one.entries if isinstance(entry, dict)]
            one.by_tag()
            cases.setdefault(case, []).append(one.subject)
    root = folder / "trusted_root.json"
    root.write_text(json.dumps(signer.trusted_root), encoding="utf-8")
    with real_registry(folder) as host:
        push(host, shelf)
        yield root, host, cases


@contextmanager
def away(near: str, milliseconds: float) -> Iterator[str]:
    """``host:port`` of what stands so far from ``near``; itself for 0."""
    if not milliseconds:
        yield near
        return
    argv = [sys.executable, __file__, "--relay", near, f"{milliseconds}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as relay:
        try:
            yield _line(relay)
        finally:
            relay.kill()


def measured(root: Path, host: str, digests: Sequence[str]) -> tuple[Took, Took]:
    """Ours: from the command on, and once more in the same process."""
    began = time.monotonic()
    argv = [sys.executable, __file__, "--judge", str(root), host, *digests]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        marks = [time.monotonic() - began for _ in ("first", "all") if _line(child)]
        first, whole = _line(child).split()
    return Took(*marks), Took(float(first), float(whole))


def asked(cosign: str, root: Path, host: str, digests: Sequence[str]) -> Took:
    """The same by cosign: one command for all images, which says of each when it is verified."""
    from golive_sandbox.registry.evidence import workflow

    run, began, first = workflow(TAG), time.monotonic(), 0.0
    argv = [cosign, "verify", "--new-bundle-format", "--use-signed-timestamps", f"--trusted-root={root}"]
    argv += [f"--certificate-identity={run.identity}", f"--certificate-oidc-issuer={run.issuer}"]
    argv += [f"{host}/{NAME}@{digest}" for digest in digests]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        said = []
        for line in child.stdout or ():
            said.append(line)
            if not first and "Verification for" in line:
                first = time.monotonic() - began
    if child.returncode or not first:
        raise SystemExit(f"cosign: expected {len(digests)} images verified, found: {''.join(said[-5:])}")
    return Took(first, time.monotonic() - began)


def cosign_version(cosign: str) -> str:
    said = subprocess.run([cosign, "version", "--json"], capture_output=True, text=True, timeout=60, check=True)
    return f"cosign {json.loads(said.stdout)['gitVersion']}"


def _line(child: subprocess.Popen[str]) -> str:
    line = child.stdout.readline().strip() if child.stdout else ""
    if not line:
        raise SystemExit("expected a word of the child, found none; its last ones are above")
    return line


def judge(root: Path, host: str, *digests: str) -> None:
    """In a process of its own: a line for the first image, one for all, and one with the seconds of once more."""
    verify(root, host, digests, lambda words: print(words, flush=True))
    again = verify(root, host, digests, lambda _: None)
    print(again.first, again.all, flush=True)


def verify(root: Path, host: str, digests: Sequence[str], tell: Callable[[str], None]) -> Took:
    """As a session does it that knows nothing yet: the first image, then all that its pods run."""
    from golive_sandbox.registry.evidence import workflow

    began = time.monotonic()
    run, image = workflow(TAG), f"{host}/{NAME}"
    policy = OtherImage(image=image, signed=Signing(repository=run.repository, workflow=run.file))
    trust = Trust(mode="file", file=root)
    chain = SupplyChain(repository=run.repository, workflow=run.file, trust=trust, images=(policy,))
    example = load(ROOT / "golive.example.toml")
    release = example.release.model_copy(update={"image": image, "tag": TAG})
    settings = example.model_copy(update={"supply_chain": chain, "release": release})
    accounts = Accounts(settings.registry, lambda ref: ref.from_environment(), lambda _: None)
    others = OtherImages(Artifact(release, accounts), settings, root.parent)
    running = [Running("pod", "c", "container", ImageRef.parse(f"{image}:{TAG}@{one}"), one) for one in digests]
    marks = []
    for some in (running[:1], running):
        for one, finding in others.judged(some):
            if finding is None or finding.refused is not None:
                raise SystemExit(f"{one}: expected it verified, found {finding and finding.refused}")
        marks.append(time.monotonic() - began)
        tell(f"{len(some)} verified")
    return Took(*marks)


async def relay(near: str, milliseconds: float) -> None:
    """In a process of its own: pass everything on, late. A new connection costs a round trip, as anywhere."""
    host, _, port = near.partition(":")
    late, kept = milliseconds / 2000, set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while part := await reader.read(65536):
            loop.call_later(late, writer.write, part)
        loop.call_later(late, writer.close)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.add(asyncio.current_task())  # or it is collected while it waits
        await asyncio.sleep(2 * late)
        there, back = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--judge", root, host, *digests]:
            judge(Path(root), host, *digests)
        case ["--relay", near, milliseconds]:
            asyncio.run(relay(near, float(milliseconds)))
        case _:
            sys.exit(main())
