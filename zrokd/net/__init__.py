"""Bytes under gevent. Knows nothing of shares."""
