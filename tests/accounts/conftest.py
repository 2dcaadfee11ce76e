"""What the tests of accounts share."""

import pytest

from portal.accounts import views

LINK_ANSWER_S = views.LINK_ANSWER_S


@pytest.fixture(autouse=True)
def _quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Don't wait where an answer takes its time on purpose."""
    monkeypatch.setattr(views, "LINK_ANSWER_S", 0)
