"""The portal of these tests: the bundled models are published."""

from tests.published import config, make_portal_config, pg_app, published

__all__ = ["config", "make_portal_config", "pg_app", "published"]
