"""Rules that the schema itself keeps, whoever writes."""

import peewee
import pytest
from playhouse.schema_diff import diff_models

from tests.postgres.fixtures import only_sqlite
from zrokd.store import migrate, tables


def test_every_table_is_listed_once():
    defined = {value for value in vars(tables).values() if isinstance(value, type) and issubclass(value, tables.Table)}
    assert defined - {tables.Table} == set(tables.ALL)
    assert len(tables.ALL) == len(set(tables.ALL))


def test_the_nouns_of_the_design_have_tables():
    assert {table._meta.table_name for table in tables.ALL} >= {
        "account", "account_token", "environment", "share", "name", "share_name", "namespace", "namespace_grant",
        "namespace_frontend", "frontend", "access", "access_grant", "mapping", "limit_class", "applied_limit_class",
        "usage_sample", "organization", "organization_member", "registration_request", "reset_request", "invite",
        "intent", "meta", "frontend_grant", "operator_identity", "skip_interstitial_grant", "agent_enrollment",
        "usage_period", "admin_token", "audit_record",
    }  # fmt: skip


def test_migrations_make_exactly_these_tables(store):
    with store.database.connection_context():
        assert not diff_models(store.database, list(tables.ALL))


@only_sqlite
def test_partial_indexes_are_the_same_in_migrations_and_tables(store, open_database):
    def indexes(database):
        with database.connection_context():
            found = database.execute_sql("select name, sql from sqlite_master where type = 'index' and sql is not null")
            return dict(found.fetchall())

    migrated = {name: sql for name, sql in indexes(store.database).items() if "schema_migration" not in sql}
    plain = open_database("plain")
    with plain.bind_ctx(tables.ALL), plain.connection_context():
        plain.create_tables(tables.ALL)
    assert migrated == indexes(plain)
    assert sum("WHERE" in sql for sql in migrated.values()) == 5


def account(**changes):
    return tables.Account.create(**{"email": "ann@example.com", "created_at_ms": 1, "updated_at_ms": 1} | changes)


def namespace(**changes):
    values = {"token": "public", "zone": "example.com", "created_at_ms": 1, "updated_at_ms": 1}
    return tables.Namespace.create(**values | changes)


def twice(make):
    make()
    make()


def two_names(**changes):
    space, owner = namespace(), account()
    values = {"namespace": space, "account": owner, "name": "blog", "created_at_ms": 1, "updated_at_ms": 1}
    tables.Name.create(**values | changes)
    tables.Name.create(**values)


def one_name_in_two_shares():
    owner, space = account(), namespace()
    name = tables.Name.create(namespace=space, account=owner, name="blog", created_at_ms=1, updated_at_ms=1)
    environment = tables.Environment.create(account=owner, z_id="z", created_at_ms=1, updated_at_ms=1)
    for token in ("one", "two"):
        share = tables.Share.create(
            environment=environment, token=token, share_mode="public", mode="proxy", permission="open",
            created_at_ms=1, updated_at_ms=1,
        )  # fmt: skip
        tables.ShareName.create(share=share, name=name)


@pytest.mark.parametrize(
    "breach",
    [
        pytest.param(lambda: twice(account), id="one live account per address"),
        pytest.param(lambda: twice(namespace), id="one live namespace per token"),
        pytest.param(lambda: (namespace(), namespace(token="other")), id="one live namespace per zone"),
        pytest.param(two_names, id="one live name per namespace"),
        pytest.param(one_name_in_two_shares, id="a name serves one share"),
        pytest.param(
            lambda: tables.AccountToken.create(account=99, digest="d", created_at_ms=1), id="no token without account"
        ),
        pytest.param(
            lambda: twice(
                lambda: tables.Intent.create(verb="create", kind="share", subject="t", worker="w", started_at_ms=1)
            ),
            id="one intent per subject",
        ),
        pytest.param(
            lambda: twice(lambda: tables.Frontend.create(name="f", digest="d", created_at_ms=1, updated_at_ms=1)),
            id="one frontend per name",
        ),
    ],
)
def test_the_database_refuses(store, breach):
    with store.database.connection_context(), pytest.raises(peewee.IntegrityError):
        breach()


@pytest.mark.parametrize(
    "allowed",
    [
        pytest.param(lambda: (account(deleted_at_ms=5), account(deleted_at_ms=6), account()), id="address"),
        pytest.param(lambda: (namespace(deleted_at_ms=5), namespace()), id="namespace"),
        pytest.param(lambda: two_names(deleted_at_ms=5), id="name"),
    ],
)
def test_what_is_deleted_blocks_nobody(store, allowed):
    with store.database.connection_context():
        allowed()


def test_environments_without_identity_do_not_clash(store):
    with store.database.connection_context():
        owner = account()
        twice(lambda: tables.Environment.create(account=owner, created_at_ms=1, updated_at_ms=1))


def test_what_hangs_on_a_share_goes_with_its_environment(store, rows):
    owner = rows.account()
    environment = rows.environment(owner)
    share = rows.share(environment)
    rows.name(rows.namespace(), owner, share=share)
    with store.database.connection_context():
        tables.Access.create(environment=environment.id, share=share.id, token="a", created_at_ms=1, updated_at_ms=1)
        tables.AccessGrant.create(share=share.id, account=owner.id)
        tables.Environment.delete().execute()
        left = [
            table
            for table in (tables.Share, tables.ShareName, tables.Access, tables.AccessGrant)
            if table.select().count()
        ]
        assert left == []
        assert tables.Name.select().count() == 1


def test_a_table_is_bound_to_the_store_made_last(store, open_database):
    from zrokd.store.database import Store

    other = open_database("other")
    migrate.upgrade(other)
    Store(other)
    with other.connection_context():
        account()
    with store.database.connection_context():
        count = store.database.execute_sql("select count(*) from account").fetchone()
    assert count == (0,)
