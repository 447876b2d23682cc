"""Use cases; the only writer of both store and overlay."""
