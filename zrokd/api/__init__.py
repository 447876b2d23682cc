"""The falcon application. No rules live here."""
