"""The calls that pages print work when they are pasted into a terminal."""

import html
import json
import re
import subprocess

import pytest
import requests

from portal import catalog
from portal.inference import curl_command, curl_commands
from tests.published import copy_store, publish_iris
from tests.servers import Portal

BASE_URL = "https://portal.example.org"


def command(name, *secret):
    version = catalog.find_model(name, viewer=None).live
    return curl_command(version, BASE_URL, *secret)


def test_there_is_a_call_of_every_public_model(app):
    publish_iris(name="hidden", visibility="private")

    titles = [one.title for one in curl_commands(BASE_URL, "mp_x")]

    assert titles == [model.live.title for model in catalog.list_public()]
    assert len(titles) >= 3


def test_the_call_names_the_portals_own_address_and_the_key(app):
    text = command("iris", "mp_secret")

    assert f"{BASE_URL}/api/v1/models/iris/predict" in text
    assert "-H 'Authorization: Bearer mp_secret'" in text


def test_without_a_key_a_word_stands_in_its_place(app):
    assert "Bearer YOUR_KEY" in command("iris")


def test_a_file_is_fetched_first(app):
    fetch, _, call = command("ocr").partition("\n")

    assert fetch == f"curl -o receipt.png {BASE_URL}/models/ocr/examples/1/image"
    assert "-F image=@receipt.png" in call


@pytest.fixture(scope="module")
def portal(published):
    """Return a running portal."""
    portal = Portal.embedded()
    copy_store(published, portal.data_dir)
    with portal:
        yield portal


@pytest.fixture(scope="module")
def secret(portal):
    email = ("--email", "ada@example.org")
    portal.flask("users", "create", *email, "--verified")
    return portal.flask("keys", "create", *email, "--name", "paste").stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "output"),
    [("iris", "setosa"), ("ocr", "HARBOUR BAKERY"), ("file-type", "python")],
)
def test_the_printed_call_is_answered_when_pasted(
    portal, secret, published, tmp_path, name, output
):
    page = requests.get(f"{portal.base_url}/models/{name}", timeout=10).text
    printed = command_on(page).replace("YOUR_KEY", secret)
    silent = printed.replace("curl ", "curl --fail --silent --show-error ")

    done = subprocess.run(
        ["bash", "-euc", silent],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["model"] == name
    assert output in json.dumps(answer["outputs"])


def command_on(page):
    """Return the call that *page* shows, as a person would copy it."""
    found = re.search(r'<code[^>]*id="curl"[^>]*>(.*?)</code>', page, re.DOTALL)
    assert found
    return html.unescape(found.group(1))
