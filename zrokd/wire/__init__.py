"""JSON of the controller API <-> model. Pure; the only camelCase in the house."""
