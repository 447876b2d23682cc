"""Typed calls to the controller API."""
