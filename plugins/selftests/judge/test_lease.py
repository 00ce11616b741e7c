"""The driver's Lease, decided over recorded answers of a local API server: who may take it, and whose clock counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from golive.access import resolve
from golive.cluster import Cluster
from golive.config import Settings, load
from golive.errors import ApiError, Unreachable
from golive.lease import DriverLease, Held, LeaseView, Lost, parse, stands_for
from golive.types import Json, mapping, text

ROOT = Path(__file__).parents[3]
NOW = datetime(2031, 5, 1, 12, 0, 0, tzinfo=UTC)
"""The API server's clock: years away from this machine's."""
MINE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def lease(
    *,
    holder: str = "earlier",
    digest: str = MINE,
    age: float | None = 3.0,
    seconds: int | None = 10,
    handover: bool = False,
    renew_age: float = 0.0,
) -> Json:
    """A Lease as the API has it; ``age`` by its managed fields, ``renew_age`` by what the driver wrote."""
    notes: Json = {
        "golive/digest": digest,
        "golive/driver": "Robin",
        "golive/since": "2031-05-01T11:00:00+00:00",
        "golive/handover": "true" if handover else "false",
    }
    fields: list[Json] = [{"manager": "kubectl-edit", "time": _at(0)}]
    if age is not None:
        fields.append({"manager": "golive", "time": _at(age)})
    spec: Json = {"holderIdentity": holder, "renewTime": _at(renew_age)}
    if seconds is not None:
        spec["leaseDurationSeconds"] = seconds
    body: Json = {"uid": "u1", "resourceVersion": "7", "annotations": notes, "managedFields": list(fields)}
    return {"metadata": body, "spec": spec}


def _at(age: float) -> str:
    return (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")


TABLE = {
    "renewed a moment ago": (lease(), True),
    "this run's own": (lease(holder="me"), False),
    "this run's own, expired": (lease(holder="me", age=99), False),
    "expired": (lease(age=10), False),
    "one second before its end": (lease(age=9), True),
    "expired by the API server's clock, whatever the driver's said": (lease(age=11, renew_age=-3600), False),
    "fresh by the API server's clock, whatever the driver's said": (lease(age=1, renew_age=3600), True),
    "without our manager, renewed": (lease(age=None, renew_age=3), True),
    "without our manager, expired": (lease(age=None, renew_age=11), False),
    "handed over for this release": (lease(handover=True, seconds=60), False),
    "handed over for another release": (lease(handover=True, seconds=60, digest=OTHER), True),
    "another release's, expired": (lease(digest=OTHER, age=11), False),
    "written by hand, without an end": (lease(seconds=None, age=9999), True),
    "stamped a second ahead by another API server": (lease(age=-1), True),
}


@pytest.mark.parametrize("case", TABLE)
def test_who_may_drive(case: str) -> None:
    body, held = TABLE[case]
    assert stands_for(parse(body, NOW), "me", MINE) is held


def test_the_words_say_who_since_and_until_when() -> None:
    told = parse(lease(seconds=30), NOW).line()
    assert told == (
        "Robin, run earlier, since 2031-05-01T11:00:00+00:00; last renewed 3 s ago, "
        "renewed, good until 2031-05-01T12:00:27+00:00"
    )
    assert "never by itself" in parse(lease(seconds=None), NOW).line()
    assert "expired at" in parse(lease(age=30), NOW).line()
    assert "handed over until" in parse(lease(handover=True), NOW).line()


class Api:
    """One Lease behind a local server, as the API server guards it. ``meddle`` happens before the next write."""

    def __init__(self) -> None:
        self.body: Json | None = None
        self.writes: list[tuple[str, Json]] = []
        self.meddle: list[Json | None] = []
        self.queries: list[str] = []
        self.status = 0
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                sent = json.loads(self.rfile.read(size)) if size else {}
                status, body = api.answer(self.command, self.path, sent)
                data = json.dumps(body).encode()
                self.send_response_only(status)
                self.send_header("Date", format_datetime(NOW, usegmt=True))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):  # whatever the verb
                    return self._serve
                raise AttributeError(name)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, verb: str, path: str, sent: Json) -> tuple[int, Json]:
        """What the API server would say."""
        if path.endswith("/kube-system"):
            return 200, {"metadata": {"uid": "c1"}}
        if verb != "GET" and self.meddle:
            self.body = self.meddle.pop(0)
        if self.status:
            return self.status, {"kind": "Status", "reason": "InternalError", "message": "etcd is away"}
        self.queries.append(path.partition("?")[2])
        if verb == "POST":
            if self.body is not None:
                return 409, {"kind": "Status", "reason": "AlreadyExists", "message": "there is one"}
        elif self.body is None:
            return 404, {"kind": "Status", "reason": "NotFound", "message": "no such Lease"}
        return (200, self.body or {}) if verb == "GET" else self.write(verb, sent)

    def write(self, verb: str, sent: Json) -> tuple[int, Json]:
        """A write, if what it was decided on is still there."""
        seen = mapping(sent, "preconditions") if verb == "DELETE" else mapping(sent, "metadata")
        have = mapping(self.body, "metadata")
        if verb != "POST" and any(seen[key] != have[key] for key in ("uid", "resourceVersion")):
            return 409, {"kind": "Status", "reason": "Conflict", "message": "it was changed"}
        self.writes.append((verb, sent))
        if verb == "DELETE":
            self.body = None
            return 200, {"kind": "Status"}
        self.body = {
            "metadata": {
                **have,
                "uid": "u1",
                "resourceVersion": str(len(self.writes) + 100),
                "annotations": {**mapping(have, "annotations"), **mapping(sent, "metadata", "annotations")},
                "managedFields": [{"manager": "golive", "time": _at(0)}],
            },
            "spec": {**mapping(self.body, "spec"), **mapping(sent, "spec")},
        }
        return 200, self.body


@pytest.fixture
def api() -> Iterator[Api]:
    """The server, and nothing there yet."""
    found = Api()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def mine(api: Api, tmp_path: Path) -> DriverLease:
    """The Lease of run ``me``."""
    host, port = api.server.server_address[:2]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": {"server": f"http://{host!s}:{port}"}}],
                "users": [{"name": "me", "user": {"token": "t"}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            }
        ),
        encoding="utf-8",
    )
    access = resolve(str(kubeconfig), None)
    cluster = Cluster(access, uid="c1", request_seconds=2.0, requests_per_second=1000.0)
    return DriverLease(cluster, _settings(), "me", "Sanne")


def _settings() -> Settings:
    settings = load(ROOT / "golive.example.toml")
    release = settings.release.model_copy(update={"digest": MINE})
    return settings.model_copy(update={"release": release})


def test_taking_makes_it_and_says_who(api: Api, mine: DriverLease) -> None:
    view = mine.take()
    ((verb, sent),) = api.writes
    assert (verb, view.holder, view.driver, view.digest, view.handover) == ("POST", "me", "Sanne", MINE, False)
    assert text(sent, "metadata", "name") == "golive-maestro-server"
    assert mapping(sent, "spec")["leaseDurationSeconds"] == 300
    assert "fieldManager=golive" in api.queries


@pytest.mark.parametrize("case", [name for name, (_, held) in TABLE.items() if held])
def test_who_drives_is_not_disturbed(api: Api, mine: DriverLease, case: str) -> None:
    api.body = TABLE[case][0]
    with pytest.raises(Held, match=r"kubectl -n maestro delete lease golive-maestro-server"):
        mine.take()
    assert api.writes == []


@pytest.mark.parametrize("case", [name for name, (_, held) in TABLE.items() if not held])
def test_what_nobody_drives_is_taken_as_it_was_seen(api: Api, mine: DriverLease, case: str) -> None:
    api.body = TABLE[case][0]
    view = mine.take()
    ((verb, sent),) = api.writes
    assert (verb, view.holder, view.seconds) == ("PATCH", "me", 300)
    assert (text(sent, "metadata", "uid"), text(sent, "metadata", "resourceVersion")) == ("u1", "7")


def test_two_that_take_it_at_once_are_told_apart(api: Api, mine: DriverLease) -> None:
    api.meddle = [lease()]  # between our look and our write, another made it
    with pytest.raises(Held, match="driven by Robin, run earlier"):
        mine.take()


def test_a_renewal_changes_it_every_time_and_survives_a_foreign_edit(api: Api, mine: DriverLease) -> None:
    mine.take()
    mine.renew()
    edited: Json = {**lease(holder="me")}
    api.meddle = [edited]
    mine.renew()
    times = [text(sent, "spec", "renewTime") for _, sent in api.writes]
    assert len(set(times)) == len(times) == 3


@pytest.mark.parametrize(("now", "told"), [(None, "found it deleted"), (lease(holder="other"), "run other, since")])
@pytest.mark.parametrize("does", ["renew", "hand_over", "release"])
def test_what_was_lost_is_not_taken_back(api: Api, mine: DriverLease, now: Json | None, told: str, does: str) -> None:
    mine.take()
    api.body = now
    change = {"renew": mine.renew, "hand_over": lambda: mine.hand_over(9), "release": mine.release}[does]
    with pytest.raises(Lost, match=told):
        change()
    assert len(api.writes) == 1


def test_handing_over_and_releasing(api: Api, mine: DriverLease) -> None:
    mine.take()
    mine.hand_over(1800)
    view = mine.read()
    assert view is not None
    assert (view.handover, view.seconds, view.holder, view.age) == (True, 1800, "me", 0.0)
    mine.take()
    view = mine.read()
    assert view is not None
    assert (view.handover, view.seconds) == (False, 300)
    mine.release()
    assert api.body is None


@pytest.mark.parametrize(
    ("there", "gone"), [(lease(handover=True), True), (lease(), False), (lease(handover=True, digest=OTHER), False)]
)
def test_only_what_this_release_handed_over_is_cleared(api: Api, mine: DriverLease, there: Json, gone: bool) -> None:
    api.body = there
    assert mine.clear() is gone
    assert (api.body is None) is gone


def test_an_api_server_in_trouble_is_not_a_lost_lease(api: Api, mine: DriverLease) -> None:
    mine.take()
    api.status = 500
    with pytest.raises(ApiError, match="etcd is away"):
        mine.renew()
    with pytest.raises(Unreachable):
        mine.read()


def view_of(body: Json) -> LeaseView:
    return parse(body, NOW)


def test_a_lease_that_says_nothing_is_told_as_it_is() -> None:
    view = view_of({"metadata": {"uid": "u"}, "spec": {}})
    assert (view.age, view.expired, view.until) == (None, False, "never by itself")
    assert view.line().startswith("unknown, run unknown, since unknown")
