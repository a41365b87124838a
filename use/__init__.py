"""A trained model in use: packed to pass on, on the hub, and behind a service."""
