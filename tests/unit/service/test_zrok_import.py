import subprocess

import pytest

from tests import zrok_v2
from tests.postgres.fixtures import only_postgres, only_sqlite
from zrokd.errors import Denied, Invalid, UnknownService
from zrokd.model.account import Principal
from zrokd.model.limits import LimitClass
from zrokd.service import zrok_database, zrok_import
from zrokd.store import tables, tokens
from zrokd.store.hashing import digest

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def zrok():
    return zrok_v2.ZrokV2()


@pytest.fixture(params=["to_sqlite", "to_dump"])
def take(request, house, zrok, tmp_path):
    """take(...): the report of an import of `zrok` as it is now."""
    numbers = iter(range(100))

    def run(**how):
        file = getattr(zrok, request.param)(tmp_path / f"zrok{next(numbers)}")
        return zrok_import.import_zrok(house.store, zrok_database.read(file), house.clock.now_ms(), **how)

    return run


def counts(house):
    return house.store.read(lambda: {table.__name__: table.select().count() for table in tables.ALL})


def kept(house):
    """Ann's hash, as it is in the store."""
    return house.store.read(lambda: tables.Account.get(tables.Account.email == ANN).password_hash)


def test_people_log_in_with_their_old_password_which_is_then_hashed_anew(house, take):
    report = take()
    assert (report.conflicts, report.written) == ([], True)
    (before,) = house.store.read(
        lambda: [r.password_hash for r in tables.Account.select().where(tables.Account.email == ANN)]
    )
    assert before.startswith("$argon2id$v=19$m=3072,t=1,p=4$")
    with pytest.raises(Denied):
        house.logins.login(ANN, "Not her passw0rd", "192.0.2.1")
    token = house.logins.login(ANN, zrok_v2.PASSWORDS[ANN], "192.0.2.1")
    assert house.store.read(tokens.holder_of, digest(token), 0).email == ANN
    (after,) = house.store.read(
        lambda: [r.password_hash for r in tables.Account.select().where(tables.Account.email == ANN)]
    )
    assert after.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    house.logins.login(ANN, zrok_v2.PASSWORDS[ANN], "192.0.2.1")


def test_tokens_go_on_being_good_and_are_not_kept_in_clear(house, take):
    take()
    for email, token in zrok_v2.TOKENS.items():
        assert house.store.read(tokens.holder_of, digest(token), 0).email == email
        assert not house.store.read(
            lambda token=token: tables.AccountToken.select().where(tables.AccountToken.digest == token).exists()
        )
    assert house.store.read(tokens.holder_of, digest("GonesToken12"), 0) is None


def principal(house, email):
    account = house.directory.account_by_email(email)
    return Principal(account_id=account.id, email=email)


def test_what_people_have_is_there_again(house, take):
    take()
    ann, bob = principal(house, ANN), principal(house, BOB)
    (desk,) = house.environments.list(ann)
    assert (desk.z_id, desk.description, desk.host, desk.address) == (
        "annsdesk.1",
        "ann@desk",
        "Linux; desk",
        "192.0.2.1",
    )
    assert desk.created_at_ms == 1741064767089
    assert [one.description for one in house.environments.list(bob)] == ["bob\tat\\home\nor not"]
    assert [(one.namespace, one.name, one.reserved) for one in house.names.list(ann)] == [("public", "blog", True)]
    assert [one.token for one in house.names.namespaces(ann)] == ["public", "vip"]
    assert [one.token for one in house.names.namespaces(bob)] == ["public"]
    assert {one.token: (one.zone, one.url) for one in house.namespaces.list()} == {
        "public": ("share.example.com", "https://{host}"), "vip": ("vip.example.com", "http://{host}"),
    }  # fmt: skip
    assert [(one.token, one.name, one.z_id) for one in house.frontends.details()] == [
        ("publicfe", "public", "public.z")
    ]
    assert [(one.frontend, one.is_default) for one in house.namespaces.frontends("public")] == [("publicfe", True)]
    assert [(one.email, one.admin) for one in house.organizations.members("org1")] == [(ANN, True), (BOB, False)]
    (small,) = house.privileges.applied(BOB)
    assert (small.label, small.limits.names, small.limits.shares, small.total_bytes) == ("small", 4, 3, 10**12)
    assert house.privileges.skips_interstitial(ANN) and not house.privileges.skips_interstitial(BOB)


def test_a_reserved_name_can_be_shared_at_once_from_the_old_environment(house, take):
    take()
    ann = principal(house, ANN)
    share = house.share(ann, "annsdesk.1", "blog")
    assert share.endpoints == ("blog.share.example.com",)


def test_it_tells_what_came_and_what_stays_behind(take):
    report = take()
    assert dict(report.new) == {
        "account": 2, "environment": 2, "frontend": 1, "namespace": 2, "name": 1, "organization": 1, "limit class": 1,
        "namespace grant": 1, "frontend grant": 1, "mapping": 1, "member": 2, "applied limit class": 1, "skip": 1,
        "invite": 1,
    }  # fmt: skip
    assert dict(+report.left) == {"access": 1, "name": 1, "share": 1}


def test_again_it_changes_nothing(house, take):
    take()
    first = counts(house)
    report = take()
    assert report.conflicts == [] and not +report.new and report.kept["account"] == 2
    second = counts(house)
    assert second.pop("AuditRecord") == first.pop("AuditRecord") + 1
    assert second == first


def test_what_was_new_since_then_comes_with_the_next_import(house, take, zrok):
    take()
    salt, password = zrok_v2.hashed("Eve's passw0rd")
    zrok.add("accounts", email="eve@example.com", salt=salt, password=password, token="EvesToken123")
    zrok.add("names", namespace_id=1, account_id=4, name="eves", reserved=True)
    report = take()
    assert dict(report.new) == {"account": 1, "name": 1}
    assert [one.name for one in house.names.list(principal(house, "eve@example.com"))] == ["eves"]


def test_a_dry_run_tells_the_same_and_writes_nothing(house, take):
    before = counts(house)
    report = take(dry_run=True)
    assert report.new["account"] == 2 and not report.written
    assert counts(house) == before


def changed(table, number, **values):
    """What changes a row of zrok's."""
    return lambda house, zrok: zrok.change(table, number, **values)


CONFLICTS = [  # what comes before the import, and what is told
    (lambda house, zrok: house.accounts.create(ANN), f"account {ANN}: there is an account of this address"),
    (
        lambda house, zrok: house.accounts.ensure("eve@x", "AnnsToken123"),
        f"account {ANN}: its token is another account's",
    ),
    (changed("accounts", 2, email="Ann@Example.com"), "account Ann@Example.com: there is an account of this address"),
    (changed("accounts", 1, password="!"), f"account {ANN}: its password hash is garbled"),
    (changed("accounts", 1, salt="AAAA"), f"account {ANN}: its password hash is none of zrok's"),
    (changed("accounts", 1, email="ann"), "account ann: 'ann' is not an e-mail address"),
    (changed("accounts", 1, token="short"), f"account {ANN}: the token of account {ANN} must be"),
    (lambda house, zrok: house.public("mine"), "namespace public: another namespace has the zone"),
    (lambda house, zrok: house.public("public", "x.example.com"), "namespace public: here its zone is"),
    (changed("namespaces", 2, name="x_y"), "namespace vip: 'x_y' is not a DNS zone"),
    (changed("names", 1, name="-x-"), "name -x-: '-x-' is not a valid name"),
    (lambda house, zrok: house.frontends.ensure("public", "an-edges-token"), "frontend publicfe: there is a frontend"),
    (
        lambda house, zrok: house.privileges.create_class(LimitClass(id=0, label="small")),
        "limit class 1: there is a limit",
    ),
    (changed("frontends", 1, permission_mode="ajar"), "frontend publicfe: 'ajar' is not a"),
    (changed("limit_classes", 1, shares="many"), "limit class 1: column shares holds 'many'"),
]


@pytest.mark.parametrize(("prepare", "sentence"), CONFLICTS, ids=[sentence[:40] for _, sentence in CONFLICTS])
def test_what_is_in_the_way_is_told_and_nothing_is_written(house, take, zrok, prepare, sentence):
    prepare(house, zrok)
    before = counts(house)
    report = take()
    assert [one for one in report.conflicts if one.startswith(sentence)], report.conflicts
    assert not report.written and counts(house) == before


def test_with_skip_the_rest_is_taken_over(house, take, zrok):
    house.accounts.create(ANN)
    report = take(skip=True)
    assert report.written and len(report.conflicts) == 1
    assert report.left["environment"] == 1 and report.left["name"] == 2
    assert [one.z_id for one in house.environments.list(principal(house, BOB))] == ["bobshome"]
    assert house.environments.list(principal(house, ANN)) == ()


def test_a_name_that_somebody_else_has_is_in_the_way(house, take):
    house.public()
    eve = house.principal("eve@example.com")
    house.names.create("public", "blog", eve)
    assert take().conflicts == ["name blog: another account has it"]


# -- the overlay's half ---


def test_the_overlay_is_told_of_environments_by_the_reconciler(house, take):
    take()
    planned = [str(action) for action in house.reconciler.reconcile(dry_run=True)]
    assert planned == ["adopt environment annsdesk.1", "adopt environment bobshome"]
    assert [str(action) for action in house.reconciler.reconcile()] == planned
    assert [key for name, key in house.overlay.calls if name == "adopt_environment"] == ["annsdesk.1", "bobshome"]
    assert house.reconciler.reconcile() == ()


def test_an_identity_that_is_gone_is_told_once(house, take, caplog):
    take()

    def gone(z_id):
        raise UnknownService(f"the network has no identity {z_id!r} that may be taken over")

    house.overlay.adopt_environment = gone
    assert len(house.reconciler.reconcile()) == 2
    assert "environment bobshome serves nothing until its host is enabled again" in caplog.text
    assert house.reconciler.reconcile() == ()


def test_an_environment_may_be_disabled_before_it_is_adopted(house, take):
    take()
    house.environments.disable("annsdesk.1", principal(house, ANN))
    assert [str(action) for action in house.reconciler.reconcile()] == ["adopt environment bobshome"]


# -- files ---


@only_sqlite
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda file, zrok: file.write_bytes(b"PGDMP\x01\x0e"), "make a plain one: pg_dump --format=plain"),
        (lambda file, zrok: file.write_bytes(b"\xff\xfe\x00"), "neither an SQLite file nor a plain dump"),
        (lambda file, zrok: file.write_text("dear aunt"), "is no database of zrok v2: it has no table accounts"),
        (lambda file, zrok: file.write_text("INSERT INTO public.accounts VALUES (1);\n"), "make the dump without"),
        (lambda file, zrok: file.write_text("COPY public.accounts (id) FROM stdin;\n1\n"), "the dump is cut off"),
        (lambda file, zrok: file.write_text("COPY public.accounts (id, b) FROM stdin;\n1\n"), "the dump is cut off"),
        (lambda file, zrok: file.write_text("COPY accounts (id) FROM stdin;\n\\.\n"), "upgraded by zrok v2 first"),
        (lambda file, zrok: file.write_bytes(zrok.to_sqlite(file).read_bytes()[:9000]), "cannot be read"),
        (lambda file, zrok: None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_database_of_zrok_is_told(kind, zrok, tmp_path, make, sentence):
    file = tmp_path / "file"
    make(file, zrok)
    with pytest.raises(Invalid, match=sentence):
        zrok_database.read(file)


@only_postgres
def test_a_dump_of_a_real_server_is_read_as_the_file_is(kind, postgres, zrok, tmp_path):
    name = postgres.create()
    for statement in zrok_v2.statements():
        postgres.sql(statement, database=name)
    for table, row in zrok.rows:
        marks = ", ".join(["%s"] * len(row))
        postgres.sql(f"insert into {table} ({', '.join(row)}) values ({marks})", *row.values(), database=name)
    from zrokd_plugins.storage_postgres.dump import _program

    command = [_program("pg_dump"), "--format=plain", "--host", str(postgres.folder), "--username", "zrokd", name]
    with (tmp_path / "dump").open("wb") as dump:
        subprocess.run(command, stdout=dump, check=True, timeout=60)
    real, ours = zrok_database.read(tmp_path / "dump"), zrok_database.read(zrok.to_dump(tmp_path / "ours"))
    assert real == ours
    postgres.drop(name)
