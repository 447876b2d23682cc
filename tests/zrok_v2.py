"""A database as zrok v2 keeps it, with something of everything in it. The schema is that of the reference."""

import base64
import sqlite3

from argon2.low_level import Type, hash_secret_raw

_COLUMNS = {
    "accounts": "email, salt, password, token, limitless",
    "account_requests": "token, email, source_address",
    "password_reset_requests": "token, account_id",
    "invite_tokens": "token",
    "environments": "account_id, description, host, address, z_id",
    "shares": "environment_id, z_id, token, share_mode, backend_mode, frontend_selection, frontend_endpoint,"
    " backend_proxy_endpoint, reserved, unique_name, permission_mode",
    "frontends": "environment_id, private_share_id, token, z_id, public_name, url_template, dynamic, bind_address,"
    " reserved, permission_mode, description",
    "access_grants": "share_id, account_id",
    "frontend_grants": "account_id, frontend_id",
    "namespaces": "token, name, description, open",
    "namespace_grants": "namespace_id, account_id",
    "names": "namespace_id, account_id, name, reserved",
    "share_name_mappings": "share_id, name_id",
    "namespace_frontend_mappings": "namespace_id, frontend_id, is_default",
    "limit_classes": "label, backend_mode, environments, shares, reserved_shares, unique_names, share_frontends,"
    " period_minutes, rx_bytes, tx_bytes, total_bytes, limit_action",
    "applied_limit_classes": "account_id, limit_class_id",
    "skip_interstitial_grants": "account_id",
    "organizations": "token, description",
    "organization_members": "organization_id, account_id, admin",
    "agent_enrollments": "environment_id, token",
}
COLUMNS = {
    table: ["id", *columns.replace(" ", "").split(","), "created_at", "updated_at", "deleted"]
    for table, columns in _COLUMNS.items()
}
_TRUTHS = {"limitless", "reserved", "open", "dynamic", "is_default", "admin", "unique_name", "deleted"}
_NUMBERS = {"id", "environments", "shares", "reserved_shares", "unique_names", "share_frontends", "period_minutes",
            "rx_bytes", "tx_bytes", "total_bytes"}  # fmt: skip
PASSWORDS = {"ann@example.com": "Ann's passw0rd", "bob@example.com": "Bob's passw0rd"}
TOKENS = {"ann@example.com": "AnnsToken123", "bob@example.com": "BobsToken123"}


def hashed(password, salt=b"0123456789"):
    """Salt and hash as zrok writes them."""
    made = hash_secret_raw(password.encode(), salt, 1, 3 * 1024, 4, 32, Type.ID)
    return base64.b64encode(salt).decode(), base64.b64encode(made).decode()


def kind_of(column):
    """Its SQL type, on both databases."""
    if column in _TRUTHS:
        return "boolean"
    return "bigint" if column in _NUMBERS or (column.endswith("_id") and column != "z_id") else "text"


def statements():
    """The schema."""
    for table, columns in COLUMNS.items():
        yield f"create table {table} ({', '.join(f'{column} {kind_of(column)}' for column in columns)})"


class ZrokV2:
    """Its rows, to be added to and written down."""

    def __init__(self):
        self.rows = []
        for email, plain in PASSWORDS.items():
            salt, password = hashed(plain)
            self.add("accounts", email=email, salt=salt, password=password, token=TOKENS[email])
        self.add("accounts", email="Gone@example.com", salt="x", password="x", token="GonesToken12", deleted=True)
        self.add("environments", account_id=1, description="ann@desk", host="Linux; desk", address="192.0.2.1",
                 z_id="annsdesk.1")  # fmt: skip
        self.add("environments", account_id=2, description="bob\tat\\home\nor not", host="h", z_id="bobshome")
        self.add("environments", account_id=1, z_id="gone", deleted=True)
        self.add("frontends", token="publicfe", z_id="public.z", public_name="public", dynamic=False,
                 url_template="https://{token}.share.example.com", permission_mode="open")  # fmt: skip
        self.add("frontends", environment_id=2, private_share_id=1, token="bobsaccess12", z_id="bobshome")
        self.add("namespaces", token="public", name="share.example.com", description="all", open=True)
        self.add("namespaces", token="vip", name="vip.example.com", open=False)
        self.add("namespace_frontend_mappings", namespace_id=1, frontend_id=1, is_default=True)
        self.add("namespace_grants", namespace_id=2, account_id=1)
        self.add("names", namespace_id=1, account_id=1, name="blog", reserved=True)
        self.add("names", namespace_id=1, account_id=1, name="ephemeral12", reserved=False)
        self.add("names", namespace_id=2, account_id=1, name="old", reserved=True, deleted=True)
        self.add("shares", environment_id=1, token="annsshare123", share_mode="private", backend_mode="proxy")
        self.add("organizations", token="org1", description="both")
        self.add("organization_members", organization_id=1, account_id=1, admin=True)
        self.add("organization_members", organization_id=1, account_id=2, admin=False)
        self.add("limit_classes", label="small", environments=2, shares=3, reserved_shares=4, unique_names=-1,
                 share_frontends=-1, period_minutes=60, rx_bytes=-1, tx_bytes=-1, total_bytes=10**12,
                 limit_action="limit")  # fmt: skip
        self.add("applied_limit_classes", account_id=2, limit_class_id=1)
        self.add("skip_interstitial_grants", account_id=1)
        self.add("frontend_grants", account_id=1, frontend_id=1)
        self.add("invite_tokens", token="invite-token-1")
        self.add("account_requests", token="pendingtoken", email="new@example.com", source_address="192.0.2.9")

    def add(self, table, **values):
        """One more row."""
        number = 1 + sum(name == table for name, _ in self.rows)
        times = dict.fromkeys(("created_at", "updated_at"), "2025-03-04 05:06:07.089")
        known = {column: False for column in COLUMNS[table] if column in _TRUTHS}
        self.rows.append((table, {"id": number, **times, **known, **values}))

    def change(self, table, number, **values):
        """Another value in a row."""
        next(row for name, row in self.rows if name == table and row["id"] == number).update(values)

    def to_sqlite(self, path):
        """The file."""
        connection = sqlite3.connect(path)
        for statement in statements():
            connection.execute(statement)
        for table, row in self.rows:
            marks = ", ".join("?" * len(row))
            connection.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values()))
        connection.commit()
        connection.close()
        return path

    def to_dump(self, path):
        """As pg_dump writes it, in the parts that matter."""
        lines = ["--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n"]
        for table, columns in COLUMNS.items():
            lines.append(f"COPY public.{table} ({', '.join(columns)}) FROM stdin;\n")
            for name, row in self.rows:
                if name == table:
                    lines.append("\t".join(_copied(row.get(column)) for column in columns) + "\n")
            lines.append("\\.\n\n")
        path.write_text("".join(lines))
        return path


def _copied(value):
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "tf"[not value]
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
