"""YAML text -> tree with line marks -> settings."""
