"""Measures the portal beside other ways to serve the same models: `make bench`."""
