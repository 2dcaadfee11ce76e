"""A file per room of the back office."""

from portal.admin.views import audit, home, mail, models, people

BLUEPRINTS = (home.bp, people.bp, models.bp, mail.bp, audit.bp)
