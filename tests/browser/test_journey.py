"""The main job, as a reader does it in a browser."""

import json
import subprocess
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.servers import Portal, SmtpSink

pytestmark = pytest.mark.browser

ADDRESS = "reader@example.org"
PASSWORD = "three calm herons at dusk"
RECEIPT = Path("bundled/ocr/examples/receipt.png").resolve()


def test_from_first_visit_to_a_revoked_key(
    page: Page, portal: Portal, smtp: SmtpSink
) -> None:
    try_the_model(page)
    sign_up(page)
    confirm_address(page, smtp)
    secret = make_key(page)
    assert predict(portal, secret).status_code == 200
    see_usage(page)
    revoke(page)
    assert predict(portal, secret).status_code == 401


def try_the_model(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Text recognition").click()
    expect(page.get_by_text("This is an example: Receipt")).to_be_visible()
    page.locator("input[type=file]").set_input_files(RECEIPT)
    expect(page.locator(".drop-zone__facts")).to_contain_text("900 × 1100 px")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("This is an example")).to_have_count(0)
    result = page.locator("#result")
    expect(result).to_contain_text("HARBOUR BAKERY")
    expect(result.locator("polygon").first).to_be_attached()
    expect(result.locator(".file-facts")).to_contain_text("receipt.png")
    with page.expect_download() as download:
        result.get_by_role("link", name="Download JSON").click()
    answer = json.loads(Path(download.value.path()).read_text())
    assert answer["outputs"]["lines"][0]["text"] == "HARBOUR BAKERY"


def sign_up(page: Page) -> None:
    page.get_by_role("link", name="Sign up").first.click()
    page.get_by_label("E-mail address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Confirm your address")).to_be_visible()
    expect(page.locator("main")).to_contain_text(ADDRESS)


def confirm_address(page: Page, smtp: SmtpSink) -> None:
    text = smtp.wait_for(ADDRESS).get_body(("plain",)).get_content()
    link = next(word for word in text.split() if "/verify-email/" in word)
    page.goto(link)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()


def make_key(page: Page) -> str:
    page.get_by_label("Name").fill("my script")
    page.get_by_role("button", name="Create key").click()
    panel = page.locator("#new-key")
    expect(panel).to_contain_text("You won’t see it again")
    secret = panel.locator("#new-key-secret").inner_text()
    expect(panel).to_contain_text(f"Authorization: Bearer {secret}")
    page.reload()
    expect(page.locator("main")).not_to_contain_text(secret)
    return secret


def predict(portal: Portal, secret: str) -> requests.Response:
    return requests.post(
        f"{portal.base_url}/api/v1/models/iris/predict",
        json={"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=20,
    )


def see_usage(page: Page) -> None:
    page.get_by_role("link", name="Usage").click()
    expect(page.locator("main")).to_contain_text("iris")
    expect(page.locator("main")).to_contain_text("my script")


def revoke(page: Page) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked", exact=True).first).to_be_visible()


def test_the_command_on_the_page_works_as_it_is_pasted(
    page: Page, portal: Portal, smtp: SmtpSink, tmp_path: Path
) -> None:
    portal.flask(
        *("users", "create", "--email", "curl@example.org"),
        *("--verified", "--password-stdin"),
        input=PASSWORD,
    )
    page.goto("/login?next=/keys")
    page.get_by_label("E-mail address").fill("curl@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Name").fill("terminal")
    page.get_by_role("button", name="Create key").click()
    command = page.locator("#new-key code", has_text="models/ocr/predict").inner_text()

    done = subprocess.run(
        ["bash", "-ec", command], cwd=tmp_path, capture_output=True, check=True
    )

    texts = [line["text"] for line in json.loads(done.stdout)["outputs"]["lines"]]
    assert "HARBOUR BAKERY" in texts


def test_an_error_stands_in_place_of_the_result_and_the_input_stays(
    page: Page, tmp_path: Path
) -> None:
    poem = tmp_path / "poem.png"
    poem.write_text("no pixels here")
    page.goto("/models/ocr")
    page.locator("input[type=file]").set_input_files(poem)

    page.get_by_role("button", name="Run").click()

    expect(page.locator("#result")).to_contain_text("is not a picture")
    expect(page.locator(".drop-zone__name")).to_have_text("poem.png")


def test_an_example_is_one_click_away_and_runs(page: Page) -> None:
    page.goto("/models/iris")

    page.get_by_role("link", name="Virginica").click()
    page.get_by_role("button", name="Run").click()

    expect(page.get_by_text("This is an example")).to_have_count(0)
    first = page.locator(".label-list__row").first
    expect(first).to_contain_text("virginica")


def test_pages_fit_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/", "/models/ocr", "/models/iris", "/docs", "/docs/errors", "/login"):
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path
