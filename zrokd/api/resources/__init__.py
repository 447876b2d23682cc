"""Decode, one service call, encode."""
