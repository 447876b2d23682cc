"""The mind of the frontends: which share answers a request, and how the bytes get there."""
