"""The backend role."""
