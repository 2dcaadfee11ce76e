"""Model Portal: the front door to one person's machine-learning models."""
