"""The daemon: load, open, serve, reload, drain, close."""
