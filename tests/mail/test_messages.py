import re
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser

import pytest

from portal.config import ROOT
from portal.db import db
from portal.mail import messages
from portal.mail.delivery import deliver_due
from tests.conftest import make_config
from tests.servers import SmtpSink

LINK = "https://portal.example.org/verify-email/WyJhIl0.aST5Gg.K-q_0"
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
MESSAGES = {
    "verify-address": messages.verify_address,
    "already-registered": messages.already_registered,
    "reset-password": messages.reset_password,
    "password-changed": messages.password_changed,
    "key-expires": partial(
        messages.key_expires,
        name="till",
        prefix="15jSGgZO",
        days=7,
        time="5 Dec 2026, 09:30 UTC",
        last_used="",
    ),
    "key-leaked": partial(
        messages.key_leaked, name="till", prefix="15jSGgZO", is_old=False
    ),
    "quota-nearly-used": partial(
        messages.quota_nearly_used,
        used=8_000,
        limit=10_000,
        begins=DECEMBER,
        is_computing=False,
    ),
    "quota-used-up": partial(
        messages.quota_used_up, limit=36_000, begins=DECEMBER, is_computing=True
    ),
}
every_message = pytest.mark.parametrize("kind", MESSAGES)


class Page(HTMLParser):
    """What the HTML of a message says, and what it would load or open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.hrefs: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.feed(html)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href":
                self.hrefs.append(value or "")
            elif name in {"src", "srcset", "background"}:
                self.sources.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words += data


def test_every_folder_is_a_message_and_has_its_three_files():
    folders = [path for path in (ROOT / "templates/mail").iterdir() if path.is_dir()]

    assert {folder.name for folder in folders} == set(MESSAGES)
    for folder in folders:
        files = {path.name for path in folder.iterdir()}
        assert files == {"subject.txt", "body.txt", "body.html"}


@every_message
def test_a_message_says_what_it_is_about_and_why_it_came(app, kind):
    message = MESSAGES[kind]("ada@example.org", LINK)

    assert message.kind == kind
    assert "Model Portal" in message.subject
    assert "\n" not in message.subject
    for words in (message.text, Page(message.html).words):
        assert LINK in words
        assert "ada@example.org" in words
        assert re.search(r"You get this message (because|so that)", words)


@every_message
def test_the_button_and_the_link_in_words_lead_to_the_same_place(app, kind):
    page = Page(MESSAGES[kind]("ada@example.org", LINK).html)

    assert page.hrefs == [LINK, LINK]
    assert page.words.count(LINK) == 1


@every_message
def test_a_message_loads_nothing_and_runs_nothing(app, kind):
    html = MESSAGES[kind]("ada@example.org", LINK).html

    page = Page(html)
    assert page.sources == []
    assert not {"img", "script", "link", "svg", "iframe", "form"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html
    assert "http" not in html.replace(LINK, "")


@every_message
def test_a_message_is_one_column_in_light_and_dark(app, kind):
    html = MESSAGES[kind]("ada@example.org", LINK).html

    assert "max-width: 560px" in html
    assert "prefers-color-scheme: dark" in html
    assert "{#" not in html
    assert "{%" not in html


def test_an_address_is_written_as_it_is_in_the_text_and_escaped_in_the_page(app):
    message = messages.verify_address("o'neill&sons@example.org", LINK)

    assert "o'neill&sons@example.org" in message.text
    assert "o&#39;neill&amp;sons@example.org" in message.html
    assert "o'neill&sons@example.org" in Page(message.html).words


@pytest.mark.usefixtures("app")
class TestSending:
    @pytest.fixture
    def sink(self):
        with SmtpSink() as sink:
            yield sink

    @pytest.fixture
    def config(self, config, sink):
        return make_config(config.data_dir, PORTAL_SMTP_URLS=sink.url)

    @every_message
    def test_a_message_is_sent_as_text_and_as_a_page(self, sink, kind):
        MESSAGES[kind]("ada@example.org", LINK)
        db.session.commit()

        deliver_due()

        (mail,) = sink.messages
        text, html = mail.iter_parts()
        assert mail["To"] == "ada@example.org"
        assert "Model Portal" in mail["Subject"]
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Message-ID"].startswith("<")
        assert mail["MIME-Version"] == "1.0"
        assert len(mail.get_all("Content-Type")) == 1
        assert mail.get_content_type() == "multipart/alternative"
        assert text.get_content_type() == "text/plain"
        assert html.get_content_type() == "text/html"
        assert LINK in text.get_content()
        assert Page(html.get_content()).hrefs == [LINK, LINK]
        assert "<" not in text.get_content()
