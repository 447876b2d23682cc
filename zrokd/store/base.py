"""What every table stands on."""

from __future__ import annotations

from peewee import AutoField, DatabaseProxy, Model

database = DatabaseProxy()


class Table(Model):
    """Base of every table."""

    id = AutoField()

    class Meta:
        """Bound to the store that was made last."""

        database = database
        legacy_table_names = False
