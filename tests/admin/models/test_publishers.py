"""What publishers may do to models, and everybody else may not."""

import pytest

from tests.admin.models.pages import CATS, DEEDS, HTMX, send, stored
from tests.factories import log_in, make_user
from tests.pages import csrf_token


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_a_publisher_changes_their_own_model(
    publisher_browser, publisher, give, visibility
):
    give(publisher, visibility)

    page = publisher_browser.get(CATS).text
    answer = send(publisher_browser, f"{CATS}/live-version", version=1, live=3)

    assert "Make live" in page
    assert answer.status_code == 303
    assert stored().live_number == 1


def test_the_model_of_somebody_else_is_shown_without_its_actions(
    publisher_browser, owner, give
):
    give(owner)

    page = publisher_browser.get(CATS)

    assert page.status_code == 200
    assert f'action="{CATS}' not in page.text
    assert "What happened lately" not in page.text
    assert "Only its publisher and the owners may change this model." in page.text


@pytest.mark.parametrize(("deed", "fields"), DEEDS)
def test_the_model_of_somebody_else_is_not_changed(
    publisher_browser, owner, give, deed, fields
):
    give(owner)

    answer = send(publisher_browser, f"{CATS}/{deed}", **fields)

    assert answer.status_code == 403
    assert "Only its publisher and the owners may change cats." in answer.text
    assert (stored().live_number, stored().visibility) == (3, "public")
    assert not stored().is_withdrawn


def test_a_model_without_a_publisher_is_the_owners(publisher_browser):
    answer = send(publisher_browser, f"{CATS}/withdrawal")

    assert answer.status_code == 403
    assert not stored().is_withdrawn


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_the_private_model_of_somebody_else_is_not_there(
    publisher_browser, owner, give, headers
):
    give(owner, "private")

    answers = [publisher_browser.get(CATS, headers=headers)]
    for deed, fields in DEEDS:
        path = f"{CATS}/{deed}"
        answers.append(send(publisher_browser, path, headers=headers, **fields))

    assert [answer.status_code for answer in answers] == [404] * 6
    assert all("There is no model “cats”." in answer.text for answer in answers)
    assert (stored().live_number, stored().visibility) == (3, "private")


def test_a_model_that_turns_private_is_gone_for_other_publishers(
    owner_browser, publisher_browser
):
    before = publisher_browser.get(CATS).status_code

    send(owner_browser, f"{CATS}/visibility", visibility="private")

    assert (before, publisher_browser.get(CATS).status_code) == (200, 404)


@pytest.mark.parametrize(("deed", "fields"), DEEDS)
def test_a_user_enters_no_room_and_a_visitor_is_sent_to_log_in(app, deed, fields):
    visitor, user = app.test_client(), app.test_client()
    log_in(user, make_user())

    answer = send(user, f"{CATS}/{deed}", **fields)
    token = csrf_token(visitor, "/login")
    sent_away = visitor.post(f"{CATS}/{deed}", data={"csrf_token": token, **fields})

    assert answer.status_code == 403
    assert (sent_away.status_code, sent_away.location[:6]) == (303, "/login")
    assert stored().live_number == 3


def test_a_publisher_sees_no_address_of_another(publisher_browser, give, owner):
    give(owner)

    for path in ("/admin/models", "/admin/models/cats"):
        page = publisher_browser.get(path).text
        assert "another publisher" in page
        assert owner.email not in page
