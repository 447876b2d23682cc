"""Arguments and dispatch."""
