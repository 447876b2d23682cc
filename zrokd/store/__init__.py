"""The database: tables, migrations, and one query module per noun."""
