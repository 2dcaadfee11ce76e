"""A file per room of the back office."""

from portal.admin.views import audit, home, mail, models, people, plans

BLUEPRINTS = (home.bp, people.bp, plans.bp, models.bp, mail.bp, audit.bp)
