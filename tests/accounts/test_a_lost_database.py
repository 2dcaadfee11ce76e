from tests.factories import log_in, make_user


def test_nobody_is_taken_for_a_visitor_and_every_page_says_what_is_wrong(
    pg_app, postgres
):
    client = pg_app.test_client()
    log_in(client, make_user())

    postgres.stop()
    try:
        lost = [client.get(path) for path in ("/account", "/", "/no-such-page")]
    finally:
        postgres.start()
    back = client.get("/account")

    assert [answer.status_code for answer in lost] == [503] * 3
    assert all("Retry-After" in answer.headers for answer in lost)
    assert all("can&#39;t be reached" in answer.text for answer in lost)
    assert back.status_code == 200
