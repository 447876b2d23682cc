"""Each file of conf/ is valid, for the loader and for editors, with the plugins that are really there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from tests.certificates import issue
from zrokd.config.effective import effective
from zrokd.config.kinds import models_in
from zrokd.config.load import Configuration
from zrokd.config.load import load as load_file
from zrokd.config.parse import parse
from zrokd.config.references import Resolver
from zrokd.config.schema import TopLevel, json_schema
from zrokd.config.tree import Reference
from zrokd.contracts import SLOTS, Component, Use
from zrokd.host.registry import Registry

CONF = Path(__file__).parents[2] / "conf"
FILES = sorted(file.name for file in CONF.glob("*.yml"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


@pytest.fixture(scope="module")
def components(registry: Registry) -> list[type[Component]]:
    return [registry(slot, name) for slot in SLOTS for name in registry.names(slot)]


@pytest.fixture
def load(tmp_path: Path, registry: Registry) -> Callable[[str], Configuration]:
    """load(name): the configuration of a file of conf/, with the secrets it asks for."""
    for name in ("admin", "frontend", "account", "database", "ldap"):
        (tmp_path / name).write_text(f"s3cret-{name}\n")
        (tmp_path / name).chmod(0o600)
    for name in ("api", "share.example.com"):
        issue("*.share.example.com").write(tmp_path, name)
    environ = {
        "HOME": str(tmp_path),
        "ZROKD_TLS": str(tmp_path),
        "ZROKD_SECRETS": str(tmp_path),
        "ZROKD_ACCOUNT_TOKEN": "s3cret-account",
        "ZROKD_DEMO_DIR": str(tmp_path / "demo"),
    }
    return lambda name: load_file(CONF / name, registry=registry, environ=environ)


def test_the_files_are_those_that_the_documents_speak_of() -> None:
    assert FILES == [
        "all.yml",
        "backend.yml",
        "controller.yml",
        "demo.yml",
        "frontend.yml",
        "minimal.yml",
        "postgres.yml",
        "ziti.yml",
    ]


@pytest.mark.parametrize("name", FILES)
def test_it_loads_without_a_mistake_or_a_warning(name: str, load: Callable[[str], Configuration]) -> None:
    assert load(name).warnings == ()


@pytest.mark.parametrize("name", FILES)
def test_its_secrets_are_not_shown(name: str, load: Callable[[str], Configuration]) -> None:
    configuration = load(name)
    shown = effective(configuration)
    assert configuration.secrets
    assert not [secret for secret in configuration.secrets if secret.reveal() in shown]


def _converted(value: Any) -> Any:
    """As an editor sees it: a reference is the text after its tag."""
    if isinstance(value, dict):
        return {key: _converted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_converted(item) for item in value]
    return value.name if isinstance(value, Reference) else value


@pytest.mark.parametrize("name", FILES)
def test_editors_find_no_mistake_in_it(name: str, components: list[type[Component]]) -> None:
    tree = parse((CONF / name).read_bytes(), name)
    found = Draft202012Validator(json_schema(components)).iter_errors(_converted(tree.data))
    assert [f"{error.json_path}: {error.message}" for error in found] == []


@pytest.mark.parametrize("name", FILES)
def test_it_tells_what_it_is_for_before_anything_else(name: str) -> None:
    assert (CONF / name).read_text().startswith("# ")


def _keys(model: type[BaseModel], where: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{where}.{name}"
        for inside, inner in models_in(field.annotation, name):
            yield from _keys(inner, f"{where}.{inside}")


def _given(value: Any, raw: Any, where: str) -> Iterator[str]:
    """The keys that a file gives to each settings model, by the names that `_keys` has for them."""
    if isinstance(value, Use):
        yield from _given(value.settings, raw if isinstance(raw, dict) else {}, f"{value.component.slot}.{value.use}")
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            item = getattr(value, name)
            beside = isinstance(item, Use) and not isinstance(raw.get(name), dict)
            if name in raw:
                yield f"{where}.{name}"
            if name in raw or beside:
                yield from _given(item, raw if beside else raw[name], f"{where}.{name}")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _given(item, raw[name], where if isinstance(item, Use) else f"{where}.*")
    elif isinstance(value, list | tuple):
        for item, part in zip(value, raw, strict=True):
            yield from _given(item, part, f"{where}[]")


Load = Callable[[str], Configuration]


def _of_files(components: list[type[Component]]) -> list[type[Component]]:
    """Those that one file can hold: there is one overlay and one storage in it, and commands are in none."""
    one = {"overlay": "local", "storage": "sqlite"}
    return [cls for cls in components if cls.slot != "command" and one.get(cls.slot, cls.name) == cls.name]


def test_all_yml_has_every_key_there_is(load: Load, components: list[type[Component]]) -> None:
    known = set(_keys(TopLevel, "top"))
    for cls in _of_files(components):
        known |= set(_keys(cls.Settings, f"{cls.slot}.{cls.name}"))
    raw = parse((CONF / "all.yml").read_bytes(), "all.yml").data
    given = set(_given(load("all.yml").top, raw, "top"))
    assert sorted(known - given) == []
    assert sorted(given - known) == []


def _uses(value: Any) -> Iterator[type[Component]]:
    if isinstance(value, Use):
        yield value.component
        yield from _uses(value.settings)
    elif isinstance(value, BaseModel):
        yield from (cls for name in type(value).model_fields for cls in _uses(getattr(value, name)))
    elif isinstance(value, dict):
        yield from (cls for item in value.values() for cls in _uses(item))
    elif isinstance(value, list | tuple):
        yield from (cls for item in value for cls in _uses(item))


def test_all_yml_uses_every_component_there_is(load: Load, components: list[type[Component]]) -> None:
    assert set(_uses(load("all.yml").top)) == set(_of_files(components))


def test_the_demo_is_one_daemon_with_a_page_and_a_folder(load: Callable[[str], Configuration], tmp_path: Path) -> None:
    demo = load("demo.yml")
    assert list(demo.roles) == ["controller", "frontend", "backend"]
    assert demo.state_dir == tmp_path / "demo"
    backend: Any = demo.roles["backend"].settings
    assert [(share.name, share.mode.use) for share in backend.shares] == [("hello", "hello"), ("files", "web")]
    frontend: Any = demo.roles["frontend"].settings
    controller: Any = demo.roles["controller"].settings
    assert str(frontend.listen) == "127.0.0.1:8080"
    assert str(controller.listen) == "127.0.0.1:18080"
    assert frontend.token == controller.frontends["public"].token
    assert backend.token == controller.accounts[0].token


def test_the_demo_makes_its_secrets_in_its_own_folder(tmp_path: Path, registry: Registry) -> None:
    environ = {"ZROKD_DEMO_DIR": str(tmp_path / "demo"), "ZROKD_DEMO_PORT": "0", "ZROKD_DEMO_API": "0"}
    load_file(CONF / "demo.yml", registry=registry, environ=environ, create_secrets=True)
    assert sorted(path.name for path in (tmp_path / "demo/secrets").iterdir()) == ["account", "admin", "frontend"]


def test_the_three_daemons_fit_each_other(load: Callable[[str], Configuration]) -> None:
    controller, frontend, backend = (load(f"{name}.yml") for name in ("controller", "frontend", "backend"))
    at, entrance, shares = (next(iter(daemon.roles.values())).settings for daemon in (controller, frontend, backend))  # type: Any, Any, Any
    overlays = [daemon.overlay for daemon in (controller, frontend, backend)]
    assert {overlay.settings.dir for overlay in overlays if overlay} == {"/run/zrokd/overlay"}  # type: ignore[attr-defined]
    assert entrance.controller == shares.controller == f"http://{at.listen}"
    assert entrance.token == at.frontends["public"].token
    assert shares.token == at.accounts[0].token
    assert controller.storage is not None
    assert (frontend.storage, backend.storage) == (None, None)
    assert at.namespaces["public"].url == f"http://{{host}}:{entrance.listen.port}"


def test_the_service_of_its_own_runs_its_own_network(load: Callable[[str], Configuration], tmp_path: Path) -> None:
    service = load("ziti.yml")
    assert list(service.roles) == ["controller", "frontend", "backend"]
    assert service.state_dir == Path("/var/lib/zrokd")
    assert service.overlay is not None
    managed: Any = service.overlay.settings.managed  # type: ignore[attr-defined]
    assert (str(managed.controller), str(managed.router)) == ("127.0.0.1:1280", "127.0.0.1:3022")
    assert managed.names == ("127.0.0.1",)
    frontend: Any = service.roles["frontend"].settings
    controller: Any = service.roles["controller"].settings
    assert frontend.token == controller.frontends["public"].token


def test_references_to_nothing_are_only_those_that_are_meant(tmp_path: Path) -> None:
    tree = parse((CONF / "controller.yml").read_bytes(), "controller.yml")
    Resolver(CONF, {"ZROKD_SECRETS": str(tmp_path)}, state_dir=tmp_path, create=False).resolve(tree)
    assert len(tree.problems) == 3
