"""The pages for whoever works with the keyboard, or hears them."""

import pytest
from playwright.sync_api import Page, expect

from portal import keys
from portal.app import create_app
from portal.db import db
from tests.conftest import make_config
from tests.factories import PASSWORD, make_key, make_user
from tests.servers import Portal

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def people(portal: Portal) -> dict[str, int]:
    """Return an owner with two keys, one of them revoked, and a reader, by address."""
    with create_app(make_config(portal.data_dir)).app_context():
        owner = make_user("keyboard@example.org", role="owner")
        reader = make_user("grace@example.org")
        make_key(owner, "first")
        keys.revoke(make_key(owner, "second")[0])
        db.session.commit()
        return {user.email: user.id for user in (owner, reader)}


@pytest.fixture
def owner_page(page: Page, people: dict[str, int]) -> Page:
    """Return a tab in which the owner is logged in, saying yes to each question."""
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/login")
    page.get_by_label("E-mail address").fill("keyboard@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".top-bar summary")).to_be_visible()
    return page


def test_after_a_deed_the_keyboard_is_in_the_row_where_it_was(
    owner_page: Page, people: dict[str, int]
) -> None:
    owner_page.goto("/admin/people")
    menu = owner_page.locator(f"#change-{people['grace@example.org']}")
    menu.locator("summary").press("Enter")

    menu.get_by_role("button", name="Suspend").press("Enter")

    expect(menu).not_to_have_attribute("open", "")
    expect(menu.locator("summary")).to_be_focused()
    menu.locator("summary").press("Enter")
    expect(menu.get_by_role("button", name="Restore")).to_be_visible()


def test_after_a_row_is_gone_the_keyboard_is_in_the_list(owner_page: Page) -> None:
    owner_page.goto("/keys")
    row = owner_page.locator(".key-row", has_text="second")
    row.locator("summary").press("Enter")

    row.get_by_role("button", name="Delete").press("Enter")

    expect(row).to_have_count(0)
    expect(owner_page.locator("#keys")).to_be_focused()


def test_after_a_key_is_revoked_the_keyboard_is_in_its_row(owner_page: Page) -> None:
    owner_page.goto("/keys")
    row = owner_page.locator(".key-row", has_text="first")

    row.get_by_role("button", name="Revoke").press("Enter")

    expect(row).to_contain_text("Revoked")
    expect(row).to_be_focused()


def test_the_focus_stays_where_one_types_and_what_was_found_is_read_out(
    owner_page: Page,
) -> None:
    owner_page.goto("/admin/people")
    said = owner_page.get_by_role("status").and_(owner_page.locator("#announcement"))
    expect(said).to_be_empty()

    owner_page.get_by_role("searchbox").press_sequentially("keyboard@")

    expect(said).to_have_text("1 found.")
    expect(owner_page.get_by_role("searchbox")).to_be_focused()
    owner_page.get_by_role("searchbox").fill("nobody at all")
    expect(said).to_have_text("0 found.")


def test_after_another_span_of_days_the_keyboard_is_on_its_link(
    owner_page: Page,
) -> None:
    owner_page.goto("/usage")

    owner_page.get_by_role("link", name="90 days").press("Enter")

    chosen = owner_page.locator("[aria-current=true]", has_text="90 days")
    expect(chosen).to_be_focused()
