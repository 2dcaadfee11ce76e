"""The chart of the usage page, as uPlot draws it in place of the server's drawing."""

from datetime import UTC, date, datetime, timedelta
from secrets import token_hex

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from portal import accounts
from portal.accounts.login import cookie_name
from portal.app import create_app
from portal.db import db
from tests.conftest import make_config
from tests.counted import add_calls
from tests.factories import make_user
from tests.servers import Portal

pytestmark = pytest.mark.browser

# How many pixels of the two colours stand in the column under the cursor.
HEIGHTS = """
plot => {
  const canvas = plot.querySelector("canvas");
  const at = plot.querySelector(".u-cursor-x").getBoundingClientRect().left;
  const left = at - canvas.getBoundingClientRect().left;
  const x = Math.round(left * canvas.width / canvas.clientWidth) + 3;
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  const column = pen.getImageData(x, 0, 1, canvas.height).data;
  const probe = new OffscreenCanvas(1, 1).getContext("2d");
  return ["--chart-answered", "--chart-errors"].map(name => {
    probe.fillStyle = getComputedStyle(plot).getPropertyValue(name);
    probe.fillRect(0, 0, 1, 1);
    const wanted = probe.getImageData(0, 0, 1, 1).data;
    let height = 0;
    for (let at = 0; at < column.length; at += 4) {
      height += wanted.every((part, n) => Math.abs(part - column[at + n]) < 3);
    }
    return height;
  });
}
"""


@pytest.fixture
def today(context: BrowserContext, portal: Portal) -> date:
    """Log *context* in as someone with calls today, 3 and 85 days ago; return today."""
    today = datetime.now(UTC).date()
    with create_app(make_config(portal.data_dir)).app_context():
        user = make_user(f"{token_hex(4)}@example.org")
        add_calls(user, today, {200: 30, 422: 10})
        add_calls(user, today - timedelta(days=3), {200: 20})
        add_calls(user, today - timedelta(days=85), {200: 1200})
        token = accounts.start_login_session(user, device="tests", address="127.0.0.1")
        db.session.commit()
        cookie = {"name": cookie_name(), "value": token, "url": portal.base_url}
        db.session.remove()
        db.engine.dispose()
    context.add_cookies([cookie])
    return today


def heights(slider: Locator) -> tuple[int, int]:
    answered, errors = slider.evaluate(HEIGHTS)
    return answered, errors


def test_the_chart_of_the_usage_page_says_and_draws_each_day(
    page: Page, today: date
) -> None:
    page.goto("/usage?days=7")
    slider = page.get_by_role("slider", name="Calls by day")
    figure = page.locator("figure", has=slider)
    expect(figure.locator("svg")).to_have_count(0)
    expect(figure).to_contain_text("50")
    expect(figure).to_contain_text("in 7 days")

    slider.focus()
    expect(slider).to_have_attribute(
        "aria-valuetext", f"{today}, so far: answered 30, errors 10"
    )
    expect(figure).to_contain_text(f"{today}, so far")
    answered, errors = heights(slider)
    assert answered > 90
    assert errors == pytest.approx(answered / 3, abs=4)

    slider.press("ArrowLeft")
    assert heights(slider) == (0, 0)
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    expect(slider).to_have_attribute(
        "aria-valuetext", f"{today - timedelta(days=3)}: answered 20, errors 0"
    )
    assert heights(slider) == (pytest.approx(answered * 2 / 3, abs=4), 0)

    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"plot => ({HEIGHTS})(plot)[0]", arg=slider.element_handle())
    assert heights(slider) == (pytest.approx(answered * 2 / 3, abs=4), 0)


def test_the_chart_is_drawn_anew_for_another_span_and_another_width(
    page: Page, today: date
) -> None:
    page.goto("/usage?days=7")
    slider = page.get_by_role("slider", name="Calls by day")
    expect(slider).to_have_attribute("aria-valuemax", "6")

    page.get_by_role("link", name="90 days").click()
    expect(slider).to_have_attribute("aria-valuemax", "89")
    slider.press("Home")
    for _ in range(4):
        slider.press("ArrowRight")

    expect(slider).to_have_attribute(
        "aria-valuetext",
        f"{today - timedelta(days=85)}: answered 1,200, errors 0",
    )
    assert page.locator("canvas").count() == 1
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("canvas")).to_have_js_property(
        "clientWidth", slider.evaluate("box => box.clientWidth")
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
