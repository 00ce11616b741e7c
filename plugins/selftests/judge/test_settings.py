"""``golive.toml``: each problem is one line that names the key, what was expected and what was found."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from golive.config import Settings, load
from golive.criterion import Stage, load_ratified
from golive.errors import ConfigError
from golive.fields import SecretRef
from golive.plan import needs_of

GOOD = """\
armed = false
[target]
cluster = "prod"
cluster_uid = "867b47fd-96d8-4581-b3c7-c752bc94844d"
kubeconfig = "driver.kubeconfig"
namespace = "maestro"
rollout = "maestro-server"
[release]
image = "ghcr.io/intelgraph/maestro-control-plane"
tag = "v1.5.0"
digest = "sha256:{digest}"
revision = "{revision}"
manifest = "rollout.yaml"
[services]
stable = "maestro-server"
canary = "maestro-server-canary"
""".format(digest="b" * 64, revision="d" * 40)
LIST = Path(__file__).parents[3] / "tests_golive" / "criteria.toml"
TOKEN = "ghp_" + "a1B2" * 9
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYWVzdHJvIn0.c2lnbmF0dXJl"


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "golive.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_file_is_read_and_its_paths_are_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "golive.toml"
    path.write_text(changed('"rollout.yaml"', '"rollout.yaml"\ntemplates = ["a.yaml", "/b.yaml"]'), encoding="utf-8")
    settings = load(path)
    assert settings.release.manifest == tmp_path / "rollout.yaml"
    assert settings.release.templates == (tmp_path / "a.yaml", Path("/b.yaml"))
    assert settings.target.kubeconfig == str(tmp_path / "driver.kubeconfig")
    assert (settings.armed, settings.criteria, settings.scope) == (False, None, None)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "golive.toml").write_text(GOOD, encoding="utf-8-sig")
    assert load(tmp_path / "golive.toml").armed is False


@pytest.mark.parametrize(
    "selector", ["app=argo", "app.kubernetes.io/name==argo-rollouts, !canary", "tier in (a, b),x notin (c)", "app"]
)
def test_a_label_selector_is_accepted(tmp_path: Path, selector: str) -> None:
    (tmp_path / "golive.toml").write_text(f'{GOOD}[argo]\nselector = "{selector}"\n', encoding="utf-8")
    assert load(tmp_path / "golive.toml").argo.selector == selector


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"golive\.toml: expected a readable golive\.toml, found: No such file"):
        load(tmp_path / "golive.toml")
    with pytest.raises(ConfigError, match=r"expected a readable golive\.toml, found: Is a directory"):
        load(tmp_path)


def test_a_file_in_other_bytes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "golive.toml"
    path.write_bytes(b'armed = true\nname = "\xff"\n')
    with pytest.raises(ConfigError, match="expected UTF-8 text, found other bytes at offset 21"):
        load(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected at least armed, [target], [release] and [services], found an empty file"),
        ("# nothing\n", "found an empty file"),
        (GOOD + "[rollback", "expected complete TOML, found:"),
        (GOOD + 'tag = "', "expected complete TOML, found:"),
        (changed("armed = false\n", ""), "golive.toml: armed: expected a value (it has no default), found none"),
        (changed("armed = false", 'armed = "yes"'), "golive.toml: armed: expected a valid boolean, found 'yes'"),
        (changed("armed = false", "armed = 1"), "golive.toml: armed: expected a valid boolean, found 1"),
        (changed("armed", "armd = 1\narmed"), "golive.toml: armd: expected no such key"),
        (
            GOOD + 'colour = "red"\n',
            "golive.toml: services.colour: expected no such key (see golive.example.toml), found",
        ),
        (changed("867b47fd", "867B47FD"), "target.cluster_uid: expected the UID of namespace kube-system"),
        (
            changed("b" * 64, "b" * 63),
            "release.digest: expected sha256: and 64 lower-case hex digits, found 'sha256:bbb",
        ),
        (changed('"maestro"', '"Maestro"'), "target.namespace: expected a Kubernetes name such as maestro-server"),
        (changed('"v1.5.0"', '"v1.5.0@sha"'), "release.tag: expected an image tag such as v1.5.0, found 'v1.5.0@sha'"),
        (changed('plane"', 'plane:v1"'), "release.image: expected a repository such as ghcr.io/org/"),
        (changed('"prod"', '""'), "target.cluster: expected String should have at least 1 character, found ''"),
        (
            changed("[release]", "request_seconds = 0\n[release]"),
            "target.request_seconds: expected greater than or equal to 0.5, found 0",
        ),
        (changed("[release]", "request_seconds = 61\n[release]"), "expected less than or equal to 60, found 61"),
        (
            changed("[release]", "requests_per_second = 0.9\n[release]"),
            "expected greater than or equal to 1, found 0.9",
        ),
        (changed('"prod"', '"prod\\u001b[2J"'), "target.cluster: expected one line of text without control"),
        (
            changed('"prod"', '"prod\\nGO"'),
            "target.cluster: expected one line of text without control characters, found",
        ),
        (changed('"prod"', '"\\u202edorp"'), "target.cluster: expected one line of text without control characters"),
        (changed('"rollout.yaml"', '"r\\u0000"'), "release.manifest: expected one line of text without control"),
        (GOOD + '"x\\u0085" = 1\n', "services: expected one line of text without control characters in its keys"),
        (changed('"driver.kubeconfig"', '"~nouser-here/config"'), "target.kubeconfig: expected a home that exists"),
        ("x = " + "[" * 5000 + "]" * 5000 + "\n" + GOOD, "expected tables a few levels deep, found far more"),
        ("x = " + "9" * 5000 + "\n" + GOOD, "expected complete TOML, found: Exceeds the limit"),
        (GOOD + '[argo]\nselector = "app="x"\n', "expected complete TOML"),
        (GOOD + '[argo]\nselector = "app=argo rollouts"\n', "argo.selector: expected a label selector such as app="),
        (GOOD + '[argo]\nselector = ""\n', "argo.selector: expected a label selector"),
        (changed("[release]", "request_seconds = nan\n[release]"), "target.request_seconds: expected a finite number"),
        (
            GOOD + "[rollback]\ndeadline_seconds = 4.0\n",
            "rollback.deadline_seconds: expected greater than or equal to 5",
        ),
        (GOOD + "[record]\nfresh_hours = 1e9\n", "record.fresh_hours: expected less than or equal to 720"),
        (
            GOOD + '[prometheus]\nusername = "golive"\n',
            "prometheus: expected username and password together",
        ),
        (
            GOOD + '[alertmanager]\nbearer = {env = "A"}\nusername = "golive"\npassword = {env = "B"}\n',
            "alertmanager: expected bearer, or username and password, found both",
        ),
        (
            GOOD + '[prometheus]\nurl = "http://prometheus.example.com"\nbearer = {env = "A"}\n',
            "prometheus: expected https for an address that gets a secret, found http in url",
        ),
        (GOOD + "[prometheus]\nport = 0\n", "prometheus.port: expected greater than or equal to 1, found 0"),
        (GOOD + '[registry]\nusername = "golive"\n', "registry: expected username and password together, found one"),
        (GOOD + '[registry]\ntoken_hosts = ["https://a"]\n', "registry.token_hosts.0: expected a host such as auth."),
        (GOOD + '[metrics]\nrequests = "a-b"\n', "metrics.requests: expected a metric's name such as http_"),
        (GOOD + "[metrics]\ncritical_routes = []\n", "metrics.critical_routes: expected"),
        (changed("tag = ", 'platforms = ["linux"]\ntag = '), "release.platforms.0: expected a platform such as linux/"),
        ('scope = ["load", 3]\n' + GOOD, "scope.1: expected a valid string, found 3"),
        (
            changed('"maestro-server-canary"', '"maestro-server"'),
            "services: expected stable and canary to be two different",
        ),
        (changed("[services]", "[extra]"), "services: expected a value (it has no default), found none"),
        (
            "target = 3\n" + GOOD.split("[target]")[0] + "[release]" + GOOD.split("[release]")[1],
            "target: expected a valid",
        ),
    ],
)
def test_a_wrong_file_is_told_by_key_expectation_and_finding(tmp_path: Path, text: str, said: str) -> None:
    lines = problems(tmp_path, text)
    assert [line for line in lines if said in line]
    assert all("expected" in line and "found" in line for line in lines)


def test_two_services_that_are_one_are_named(tmp_path: Path) -> None:
    line = (
        "golive.toml: services: expected stable and canary to be two different Services, found 'maestro-server' twice"
    )
    assert problems(tmp_path, changed('"maestro-server-canary"', '"maestro-server"')) == [line]


def test_each_of_many_problems_is_a_line(tmp_path: Path) -> None:
    text = changed("armed = false\n", "").replace('"v1.5.0"', "5").replace('"prod"', f'"{TOKEN}"') + 'colour = "red"\n'
    lines = problems(tmp_path, text)
    assert [line.split(": ")[1] for line in lines] == ["target.cluster", "armed", "release.tag", "services.colour"]


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ('password = "hunter2"', "hunter2"),
        ('api_key = "k"', "api_key = k"),
        ('routingKey = "R0123456789abcdef"', "R0123456789abcdef"),
        ('dbPassword = "hunter2"', "hunter2"),
        (f'note = "{TOKEN}"', TOKEN),
        (f'note = "Bearer {JWT}"', JWT),
        ('note = "postgres://maestro:hunter2@db/x"', "hunter2"),
        ('note = "-----BEGIN PRIVATE KEY-----abc"', "BEGIN PRIVATE KEY"),
        ('note = "AKIA0123456789ABCDEF"', "AKIA0123456789ABCDEF"),
        (f'notes = ["fine", "{TOKEN}"]', TOKEN),
        (f'token = {{env = "{TOKEN}"}}', TOKEN),
        ('token = {secret = "a", key = "b", value = "hunter2"}', "hunter2"),
        ('credentials = {password = "hunter2"}', "hunter2"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, line: str, secret: str) -> None:
    lines = problems(tmp_path, GOOD + line + "\n")
    assert all(secret not in one for one in lines)
    key = line.split(" =")[0]
    assert any(one.startswith(f"golive.toml: services.{key}") for one in lines)


@pytest.mark.parametrize("field", ["tag", "image", "digest", "revision"])
def test_a_secret_in_a_known_field_is_told_without_its_value(tmp_path: Path, field: str) -> None:
    old = tomllib.loads(GOOD)["release"][field]
    lines = problems(tmp_path, changed(f'"{old}"', f'"{TOKEN}!"'))
    assert any("found a secret written into the file" in line for line in lines)
    assert any("found (hidden)" in line for line in lines)
    assert all(TOKEN not in line for line in lines)


def test_settings_cannot_be_changed_after_they_were_read(tmp_path: Path) -> None:
    path = tmp_path / "golive.toml"
    path.write_text(GOOD, encoding="utf-8")
    settings = load(path)
    with pytest.raises(ValidationError, match="frozen"):
        settings.armed = True
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    "where", [{"env": "TOKEN"}, {"secret": "pagerduty", "key": "routing-key"}], ids=["env", "secret"]
)
def test_a_secret_is_named_by_one_place(where: dict[str, str]) -> None:
    assert SecretRef(**where).model_dump(exclude_none=True) == where


@pytest.mark.parametrize(
    "where",
    [{}, {"secret": "a"}, {"key": "b"}, {"env": "A", "secret": "a", "key": "b"}, {"env": "A", "key": "b"}],
    ids=str,
)
def test_a_secret_named_by_no_place_or_two_is_refused(where: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r'expected \{env = "NAME"\} or \{secret = "NAME", key = "KEY"\}'):
        SecretRef(**where)


def test_a_resolved_secret_cannot_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLIVE_TEST_TOKEN", "hunter2hunter2")
    value = SecretRef(env="GOLIVE_TEST_TOKEN").from_environment()
    assert "hunter2" not in f"{value} {value!r} {[value]}"
    assert value.get_secret_value() == os.environ["GOLIVE_TEST_TOKEN"]


@pytest.mark.parametrize("value", ["", None])
def test_a_secret_that_is_unset_or_empty_names_its_variable(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("GOLIVE_TEST_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("GOLIVE_TEST_TOKEN", value)
    said = "environment: expected variable GOLIVE_TEST_TOKEN to hold a secret, found it unset or empty"
    with pytest.raises(ConfigError, match=said):
        SecretRef(env="GOLIVE_TEST_TOKEN").from_environment()


def _settings(model: type[BaseModel]) -> list[str]:
    """Every setting without an explanation, by name."""
    bare = []
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            bare += _settings(nested)
        elif not field.description and model.__name__ != "People":
            bare.append(f"{model.__name__}.{name}")
    return bare


def test_every_setting_is_explained() -> None:
    assert _settings(Settings) == []


def _needs(tmp_path: Path, more: str) -> list[str]:
    (tmp_path / "golive.toml").write_text(GOOD + more, encoding="utf-8")
    settings = load(tmp_path / "golive.toml")
    return [str(need) for need in needs_of(load_ratified(LIST), (Stage.PREFLIGHT,), settings, armed=False)]


def test_what_is_asked_through_the_api_server_needs_its_rights_there(tmp_path: Path) -> None:
    needs = _needs(tmp_path, '[prometheus]\nnamespace = "prom"\nservice = "p"\nport = 91\n')
    assert "list pods (prom)" in needs
    assert "create services/proxy http:p:91 (prom)" in needs


def test_what_has_an_address_of_its_own_needs_no_rights_in_the_cluster(tmp_path: Path) -> None:
    needs = _needs(tmp_path, '[prometheus]\nurl = "https://p.example.com"\nbearer = {secret = "s", key = "k"}\n')
    assert [need for need in needs if "services/proxy" in need or "(monitoring)" in need] == [
        "list pods (monitoring)",
        "get pods/proxy (monitoring)",
    ]  # Alertmanager's
    assert "get secrets s" in needs
