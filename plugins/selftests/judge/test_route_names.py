"""Routes that are called like secrets: what was counted of them is judged by the journal as it was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from golive.errors import ConfigError
from golive.given import read_given
from golive.journal import Journal, create
from golive.redact import MASK, Redactor
from golive.slis import Slis
from golive.slo import early, errors, latency
from golive.slo_judged import Decision
from golive.slo_settings import Slo
from golive.tallies import RouteTally, Tally
from golive.types import Json
from selftests.judge.slos import quick, slis
from selftests.judge.test_supply_settings import GOOD, LISTED

TOKEN, ROTATE, CREATE, OAUTH = "/api/v1/token:refresh", "/v1/apikey:rotate", "/v1/apikey:create", "/oauth/token"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def kept(found: Slis, folder: Path) -> Slis:
    """As a criterion reads it."""
    create(folder / "j")
    journal = Journal(folder / "j", "test", Redactor())
    journal.append("observation", found.to_json())
    return Slis.from_json(journal.read()[-1].data)


def test_routes_that_look_like_secrets_are_not_added_up_nor_lost(tmp_path: Path) -> None:
    bad, good = RouteTally(4000, 120, quick(4000)), RouteTally(20_000, 0, quick(20_000))
    found = replace(slis(), canary=Tally({ROTATE: bad, CREATE: good, "/v1/secret:{id}": bad, "GET /token:x23": good}))
    assert kept(found, tmp_path) == found


@pytest.mark.parametrize("route", [TOKEN, OAUTH])
def test_what_was_decided_of_a_route_called_token_stays_decided(route: str, tmp_path: Path) -> None:
    slo = Slo(latency_quantile=0.999)
    for number, one in enumerate((RouteTally(300, 150, quick(300)), RouteTally(9000, 0, quick(9000, 4000)))):
        found = replace(slis(end=False), canary=Tally({route: one, "/x": RouteTally(100_000, 50)}))
        found = replace(found, early=early(found, slo, (route,)))
        again = kept(replace(found, canary=Tally({route: RouteTally(300, 0, quick(300))})), tmp_path / str(number))
        assert found.early.startswith(f"{route}: ")
        judged = (*errors(again, slo, (route,))[1:], *latency(again, slo, (route,)))
        assert [part.decision for part in judged].count(Decision.BAD) == 1, judged


@pytest.mark.parametrize(
    ("key", "clean"),
    [
        (f"/reset/{JWT}", f"/reset/{MASK}"),
        ("/of/correct horse", f"/of/{MASK}"),
        ("/of/swordfish", f"/of/{MASK}"),
        ("/login?token=hunter22", f"/login?token={MASK}"),
        ("/proxy/https://me:hunter22@db", f"/proxy/https://me:{MASK}@db"),
        ("token:refresh", f"token:{MASK}"),
    ],
)
def test_a_secret_in_a_key_is_masked_all_the_same(key: str, clean: str) -> None:
    assert Redactor(["correct horse", "swordfish"]).json({key: 1}) == {clean: 1}


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ({"/a/swordfish": 1, "/a/marlinspike": 2}, {f"/a/{MASK}": 1, f"/a/{MASK} (2)": 2}),
        ({"token=hunter22": 1, "token=hunter23": 2}, {f"token={MASK}": 1, f"token={MASK} (2)": 2}),
    ],
)
def test_of_two_keys_that_become_one_none_is_lost(value: Json, clean: Json) -> None:
    assert Redactor(["swordfish", "marlinspike"]).json(value) == clean


@pytest.mark.parametrize(
    "text",
    [
        f"weight 10: {TOKEN}: 5xx 50 % of 300 answers",
        f'sum(http_requests_total{{route=~"{TOKEN}|{ROTATE}"}})',
        "/oauth/token: p99.9 0.4 s of 300 answers",
    ],
)
def test_a_route_in_words_is_left_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("/run/secrets/db_password:swordfish", "swordfish"),
        ("/run/secrets/token:abcdef123", "abcdef123"),
        ("/run/secrets/token: swordfish", "swordfish"),
        ("args: /token:swordfish", "swordfish"),
        ("token='/run/secrets/token:swordfish'", "swordfish"),
        ("/etc/app.toml:12:token:swordfish", "swordfish"),
        ("token: p4ssw0rd", "p4ssw0rd"),
    ],
)
def test_a_secret_after_a_path_is_masked_all_the_same(text: str, secret: str) -> None:
    assert secret not in Redactor().text(text)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ('[metrics]\ncritical_routes = ["/x", "/v1/password:reset"]\n', "metrics.critical_routes: "),
        ('[metrics]\ncritical_routes = ["/v1/password:job"]\n', "metrics.critical_routes: "),
        ('[metrics]\ncritical_routes = ["/of/swordfish"]\n', "metrics.critical_routes: "),
        ('[slo]\nroutes = "/v1/token:refresh.+"\n', "slo.routes: "),
    ],
)
def test_a_route_that_the_record_would_tell_otherwise_is_refused(
    words: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "swordfish")
    file = tmp_path / "golive.toml"
    (tmp_path / "criteria.toml").write_text(LISTED, encoding="utf-8")
    file.write_text(f'criteria = "criteria.toml"\n{GOOD}{words}', encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(f"{found}expected what the record can spell out")) as refused:
        read_given(file, tmp_path, lambda _: True)
    assert MASK in str(refused.value)


def test_a_route_called_token_may_decide(tmp_path: Path) -> None:
    file = tmp_path / "golive.toml"
    (tmp_path / "criteria.toml").write_text(LISTED, encoding="utf-8")
    words = f'[metrics]\ncritical_routes = ["{TOKEN}", "{OAUTH}"]\n[slo]\nlatency_quantile = 0.999\n'
    file.write_text(f'criteria = "criteria.toml"\n{GOOD}{words}', encoding="utf-8")
    assert read_given(file, tmp_path, lambda _: True) is not None
