"""The back office's room for the outbox."""

import re
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from portal import accounts, mail
from portal.admin.mail import KINDS
from portal.audit import AuditEvent
from portal.config import ROOT, Config
from portal.db import db, now
from portal.mail import MessageState, OutgoingMessage, messages
from tests.conftest import make_config
from tests.factories import log_in, make_user
from tests.pages import csrf_token

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
LINK = "https://portal.example.org/reset-password/very.secret-token"


@pytest.fixture
def with_server(config: Config) -> Config:
    return make_config(config.data_dir, PORTAL_SMTP_URLS="smtp://127.0.0.1:9")


def queue_one(to="ada@example.org", **fields) -> OutgoingMessage:
    message = messages.reset_password(to, LINK)
    for name, value in fields.items():
        setattr(message, name, value)
    db.session.commit()
    return message


def send(browser, path):
    token = csrf_token(browser, "/account")
    return browser.post(path, data={"csrf_token": token})


def stored(message: OutgoingMessage) -> OutgoingMessage:
    db.session.expire_all()
    return db.session.get_one(OutgoingMessage, message.id)


def events(action: str) -> list[tuple[str, int | None]]:
    found = select(AuditEvent).where(AuditEvent.action == action)
    return [(e.subject, e.actor_id) for e in db.session.scalars(found)]


def addresses(page) -> list[str]:
    return re.findall(r'href="/admin/mail/\d+"\s+translate="no">([^<]+)<', page.text)


def test_an_empty_outbox_says_what_will_be_there(owner_browser):
    page = owner_browser.get("/admin/mail")

    assert "No messages yet" in page.text


def test_the_list_shows_each_message_and_its_fate_newest_first(owner_browser):
    queue_one("first@example.org", state="sent", sent_at=now(), attempts=1)
    queue_one("second@example.org", state="refused", reply="550 No such user")

    page = owner_browser.get("/admin/mail")

    assert addresses(page) == ["second@example.org", "first@example.org"]
    assert "Forgotten password" in page.text
    assert "550 No such user" in page.text
    assert "1 refused" in page.text
    assert "0 queued" in page.text


def test_the_list_shows_no_text(owner_browser):
    queue_one()

    assert "very.secret-token" not in owner_browser.get("/admin/mail").text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=ADA", ["ada_l@example.org"]),
        ("q=a_l", ["ada_l@example.org"]),
        ("q=%25", []),
        ("q=%00ada%00", ["ada_l@example.org"]),
        ("q=" + "a" * 10_000, []),
        ("state=refused", ["bob@example.org"]),
        ("state=queued&q=bob", []),
        ("state=nonsense", ["bob@example.org", "ada_l@example.org"]),
    ],
)
def test_the_list_is_searched_and_filtered_by_its_address(owner_browser, query, found):
    queue_one("ada_l@example.org")
    queue_one("bob@example.org", state="refused")

    assert addresses(owner_browser.get(f"/admin/mail?{query}")) == found


def test_a_long_outbox_comes_in_pages_that_keep_the_filter(owner_browser):
    for number in range(51):
        messages.reset_password(f"user{number}@example.org", LINK)
    db.session.commit()

    first = owner_browser.get("/admin/mail?state=queued", headers=HTMX)
    older = re.search(r'href="(/admin/mail\?[^"]*before=\d+[^"]*)"', first.text)[1]
    second = owner_browser.get(older.replace("&amp;", "&"))

    assert len(addresses(first)) == 50
    assert "state=queued" in older
    assert addresses(second) == ["user0@example.org"]


def test_the_list_answers_htmx_with_the_list_alone(owner_browser):
    part = owner_browser.get("/admin/mail", headers=HTMX)

    assert part.text.strip().startswith('<div class="stack" id="mail">')


def test_without_a_server_the_page_says_so(owner_browser):
    queue_one()

    page = owner_browser.get("/admin/mail")

    assert "No SMTP server is set" in page.text
    assert "PORTAL_SMTP_URLS" in page.text
    assert "waits for a server" in page.text


class TestWithServer:
    @pytest.fixture
    def config(self, with_server: Config) -> Config:
        return with_server

    def test_the_page_says_in_the_words_of_the_server_that_sending_fails(
        self, owner_browser
    ):
        queue_one(state="sent", tried_at=now() - timedelta(hours=1))
        for minutes in (3, 2, 1):
            at = now() - timedelta(minutes=minutes)
            queue_one(attempts=1, tried_at=at, reply=f"454 <b>{minutes}</b> too busy")

        page = owner_browser.get("/admin/mail")

        assert "The latest tries to send mail failed" in page.text
        banner = page.text.partition("The server said")[2].partition("</div>")[0]
        assert "454 &lt;b&gt;1&lt;/b&gt; too busy" in banner

    def test_the_page_is_calm_once_a_message_was_sent(self, owner_browser):
        queue_one(state="refused", tried_at=now() - timedelta(minutes=1), reply="550")
        queue_one(state="sent", tried_at=now())

        page = owner_browser.get("/admin/mail")

        assert "The latest tries" not in page.text
        assert "No SMTP server" not in page.text

    def test_the_secret_of_a_link_is_masked(self, owner_browser):
        message = queue_one()

        page = owner_browser.get(f"/admin/mail/{message.id}")

        assert "https://portal.example.org/reset-password/•••" in page.text
        assert "very.secret-token" not in page.text
        assert events("mail.read") == []

    def test_a_queued_message_is_sent_at_once_on_demand(self, owner_browser, owner):
        later = now() + timedelta(hours=1)
        message = queue_one(next_try_at=later, attempts=4, reply="451 Later")

        answer = send(owner_browser, f"/admin/mail/{message.id}/retry")

        row = stored(message)
        assert (answer.status_code, answer.location) == (
            303,
            f"/admin/mail/{message.id}",
        )
        assert row.next_try_at <= now()
        assert (row.attempts, row.reply) == (4, "451 Later")
        assert events("mail.retried") == [(f"message:{message.id}", owner.id)]

    @pytest.mark.parametrize(
        ("kind", "hours", "says"),
        [
            ("reset-password", 2, True),
            ("reset-password", 0, False),
            ("verify-address", 2, False),
            ("verify-address", 25, True),
            ("password-changed", 40, False),
        ],
    )
    def test_the_button_says_that_the_link_has_expired(
        self, owner_browser, kind, hours, says
    ):
        at = now() - timedelta(hours=hours)
        message = queue_one(kind=kind, state="refused", created_at=at)

        page = owner_browser.get(f"/admin/mail/{message.id}")

        assert "Send again" in page.text
        assert ("Send again with the expired link" in page.text) is says


def test_without_a_server_the_owner_sees_the_link_and_leaves_a_trace(
    owner_browser, owner
):
    message = queue_one()

    page = owner_browser.get(f"/admin/mail/{message.id}")

    assert LINK in page.text
    assert events("mail.read") == [(f"message:{message.id}", owner.id)]


def test_the_secret_in_a_sent_message_is_masked_without_a_server_too(owner_browser):
    message = queue_one(state="sent")

    page = owner_browser.get(f"/admin/mail/{message.id}")

    assert "very.secret-token" not in page.text
    assert events("mail.read") == []


def test_the_page_of_a_message_shows_every_fact(owner_browser):
    user = make_user()
    at = now().replace(year=2025, month=3, day=4, hour=5, minute=6)
    message = queue_one(
        state="refused",
        attempts=3,
        reply="550 <script>",
        created_at=at,
        tried_at=at + timedelta(minutes=1),
        retried_at=at + timedelta(minutes=2),
        logged_at=at + timedelta(minutes=3),
        claimed_until=now() + timedelta(minutes=1),
    )

    page = owner_browser.get(f"/admin/mail/{message.id}")

    for fact in (
        f'href="/admin/people/{user.id}"',
        "ada@example.org",
        message.subject,
        "reset-password",
        "550 &lt;script&gt;",
        "4 Mar 2025, 05:06 UTC",
        "4 Mar 2025, 05:07 UTC",
        "4 Mar 2025, 05:08 UTC",
        "4 Mar 2025, 05:09 UTC",
        "text and HTML",
        message.message_id[1:-1],
    ):
        assert fact in page.text


def test_a_text_is_never_taken_for_html(owner_browser):
    message = mail.queue("test", "ada@example.org", "<i>Hi</i>", "<b>text</b>")
    db.session.commit()

    page = owner_browser.get(f"/admin/mail/{message.id}")

    assert "&lt;b&gt;text&lt;/b&gt;" in page.text
    assert "<i>Hi" not in page.text


def test_a_refused_message_gets_another_two_days(owner_browser, owner):
    at = now() - timedelta(days=9)
    message = queue_one(state="refused", created_at=at, attempts=20)

    send(owner_browser, f"/admin/mail/{message.id}/retry")

    row = stored(message)
    assert (row.state, row.attempts) == (MessageState.QUEUED, 20)
    assert row.retried_at > now() - timedelta(minutes=1)
    assert events("mail.retried") == [(f"message:{message.id}", owner.id)]


def test_a_sent_message_is_not_sent_again(owner_browser):
    message = queue_one(state="sent", sent_at=now())

    answer = send(owner_browser, f"/admin/mail/{message.id}/retry")

    assert answer.status_code == 409
    assert "This message was sent, so it is not sent again." in answer.text
    assert stored(message).state == MessageState.SENT
    assert events("mail.retried") == []


def test_a_message_that_is_being_sent_is_left_to_the_worker(owner_browser):
    until = now() + timedelta(minutes=1)
    message = queue_one(claimed_until=until)

    answer = send(owner_browser, f"/admin/mail/{message.id}/retry")

    assert answer.status_code == 409
    assert "is being sent now" in answer.text
    assert stored(message).claimed_until == until
    assert events("mail.retried") == []


def test_what_a_killed_worker_had_claimed_can_be_sent_again(owner_browser):
    message = queue_one(claimed_until=now() - timedelta(seconds=1))

    answer = send(owner_browser, f"/admin/mail/{message.id}/retry")

    assert answer.status_code == 303
    assert stored(message).claimed_until is None


def test_all_that_was_refused_of_late_is_sent_again(owner_browser, owner):
    late = queue_one("late@example.org", state="refused")
    old = queue_one(
        "old@example.org", state="refused", created_at=now() - timedelta(days=3)
    )
    sent = queue_one("sent@example.org", state="sent")

    answer = send(owner_browser, "/admin/mail/retry?state=refused&q=example")
    after = owner_browser.get(answer.location)

    assert answer.status_code == 303
    assert answer.location == "/admin/mail?q=example&state=refused"
    assert "1 message is queued again." in after.text
    states = [stored(message).state for message in (late, old, sent)]
    assert states == ["queued", "refused", "sent"]
    assert events("mail.retried") == [(f"message:{late.id}", owner.id)]


def test_the_command_sends_what_was_refused_again(runner):
    message = queue_one(state="refused")

    first = runner.invoke(args=["mail", "retry"])
    second = runner.invoke(args=["mail", "retry"])

    assert (first.exit_code, first.stdout) == (0, "1 message is queued again.\n")
    assert (second.exit_code, second.stdout) == (0, "0 messages are queued again.\n")
    assert stored(message).state == MessageState.QUEUED
    assert events("mail.retried") == [(f"message:{message.id}", None)]


@pytest.mark.parametrize("path", ["/admin/mail/7", "/admin/mail/99999999999"])
def test_there_is_no_page_for_an_unknown_message(owner_browser, path):
    assert owner_browser.get(path).status_code == 404
    assert send(owner_browser, f"{path}/retry").status_code == 404


def test_nobody_but_an_owner_reads_or_sends(app, client):
    message = queue_one(state="refused")
    paths = (f"/admin/mail/{message.id}/retry", "/admin/mail/retry")
    log_in(client, make_user("pub@example.org", role="publisher"))

    page = client.get(f"/admin/mail/{message.id}")
    answers = [send(client, path).status_code for path in paths]

    assert page.status_code == 403
    assert "very.secret-token" not in page.text
    assert answers == [403, 403]
    assert stored(message).state == MessageState.REFUSED


def test_an_action_is_no_page(owner_browser):
    message = queue_one()

    assert owner_browser.get(f"/admin/mail/{message.id}/retry").status_code == 405
    assert owner_browser.get("/admin/mail/retry").status_code == 405


def test_every_kind_of_message_has_words():
    kinds = {path.parent.name for path in ROOT.glob("templates/mail/*/body.txt")}

    assert set(KINDS) == kinds


def test_no_answer_of_the_back_office_is_kept_by_a_cache(owner_browser):
    message = queue_one(state="refused")
    send_path = f"/admin/mail/{message.id}/retry"

    answers = [
        *(owner_browser.get(path) for path in ("/admin", "/admin/mail", send_path)),
        owner_browser.get("/admin/audit"),
        # Read to its end: an answer that streams holds on to its request's context.
        owner_browser.get("/admin/audit.csv", buffered=True),
        owner_browser.get("/admin/mail/999"),
        owner_browser.get("/admin/people"),
        owner_browser.get("/admin/models"),
        send(owner_browser, send_path),
    ]

    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_an_expired_link_can_be_replaced_by_a_new_one(owner_browser):
    user = make_user(is_verified=False)
    with time_machine.travel(now() - timedelta(days=2)):
        accounts.resend_verification(user.email)
        db.session.commit()
    message = db.session.scalars(select(OutgoingMessage)).one()
    message.state = "refused"
    db.session.commit()

    page = owner_browser.get(f"/admin/mail/{message.id}")

    assert "Mail a new link instead" in page.text
    assert page.text.count(f'href="/admin/people/{user.id}"') == 2
