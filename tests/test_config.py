"""The settings: defaults, mistakes in one sentence each, and where they come from."""

import stat
import threading
from pathlib import Path

import pytest

from portal.config import ROOT, Config, SettingInvalid, SmtpServer

NO_FILE = Path("/nonexistent/.env")
SECRET = "x" * 32


@pytest.fixture
def load(tmp_path):
    """Return a function that reads settings, from the given environment only."""

    def load(dotenv=NO_FILE, **environ):
        environ.setdefault("PORTAL_DATA_DIR", str(tmp_path))
        return Config.load(environ, dotenv=dotenv)

    return load


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "127.0.0.1"),
        ("port", 8000),
        ("base_url", "http://127.0.0.1:8000"),
        ("allowed_hosts", ("127.0.0.1", "localhost", "[::1]")),
        ("redis_url", ""),
        ("smtp_urls", ()),
        ("smtp_servers", ()),
        ("mail_from", "Model Portal <portal@localhost>"),
        ("signup", "open"),
        ("trusted_proxies", 0),
        ("workers", 1),
        ("threads", 8),
        ("anonymous_rate", "10/minute;100/day"),
        ("max_upload_mb", 10),
        ("max_upload_bytes", 10_485_760),
        ("usage_retention_days", 90),
        ("inference_threads", 1),
        ("inference_providers", ()),
        ("remote_tokens", ()),
        ("token_by_server", {}),
        ("is_embedded", True),
        ("is_https", False),
    ],
)
def test_every_setting_has_a_default(load, name, value):
    assert getattr(load(), name) == value


def test_the_default_data_folder_and_database_lie_in_the_repository(monkeypatch):
    config = Config.load({"PORTAL_SECRET_KEY": SECRET}, dotenv=NO_FILE)

    assert config.data_dir == ROOT / "var"
    assert config.database_url == f"sqlite:///{ROOT / 'var' / 'portal.sqlite3'}"


def test_a_relative_data_folder_is_below_the_repository(load):
    config = load(PORTAL_DATA_DIR="elsewhere", PORTAL_SECRET_KEY=SECRET)

    assert config.data_dir == ROOT / "elsewhere"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "PORTAL_BASE_URL",
            "portal.example.org",
            "PORTAL_BASE_URL must be an address such as https://portal.example.org.",
        ),
        ("PORTAL_BASE_URL", "ftp://x", "PORTAL_BASE_URL must be an address such as"),
        ("PORTAL_BASE_URL", "http://x/path", "PORTAL_BASE_URL must be an address"),
        ("PORTAL_BASE_URL", "http://x?a=1", "PORTAL_BASE_URL must be an address"),
        ("PORTAL_BASE_URL", "http://[::1", "PORTAL_BASE_URL "),
        (
            "PORTAL_SECRET_KEY",
            "dev",
            "PORTAL_SECRET_KEY must have 32 characters or more",
        ),
        ("PORTAL_SECRET_KEY", f"{SECRET},dev", "PORTAL_SECRET_KEY must have 32"),
        (
            "PORTAL_DATABASE_URL",
            "mysql://x/y",
            "PORTAL_DATABASE_URL must begin with postgresql:// or sqlite:///.",
        ),
        ("PORTAL_DATABASE_URL", "portal.db", "PORTAL_DATABASE_URL must begin with"),
        (
            "PORTAL_REDIS_URL",
            "localhost:6379",
            "PORTAL_REDIS_URL must look like redis://host:6379/0.",
        ),
        (
            "PORTAL_SMTP_URLS",
            "mail.example.org",
            "PORTAL_SMTP_URLS must look like smtp://user:password@host:587",
        ),
        (
            "PORTAL_SMTP_URLS",
            "smtp://a, smtp://b?tls=ssl",
            "PORTAL_SMTP_URLS knows tls=starttls only",
        ),
        ("PORTAL_SMTP_URLS", "smtp://a:99999", "PORTAL_SMTP_URLS "),
        (
            "PORTAL_MAIL_FROM",
            "portal",
            "PORTAL_MAIL_FROM must be an address such as Model Portal <portal@",
        ),
        ("PORTAL_MAIL_FROM", "a@b.c\nBcc: d@e.f", "PORTAL_MAIL_FROM must be"),
        ("PORTAL_SIGNUP", "maybe", "PORTAL_SIGNUP is not usable ('maybe'): "),
        ("PORTAL_TRUSTED_PROXIES", "-1", "PORTAL_TRUSTED_PROXIES is not usable"),
        ("PORTAL_TRUSTED_PROXIES", "all", "PORTAL_TRUSTED_PROXIES is not usable"),
        ("PORTAL_WORKERS", "many", "PORTAL_WORKERS is not usable ('many'): "),
        (
            "PORTAL_WORKERS",
            "2",
            "PORTAL_WORKERS above 1 needs PORTAL_REDIS_URL, since the limits must be",
        ),
        ("PORTAL_THREADS", "0", "PORTAL_THREADS is not usable ('0'): "),
        (
            "PORTAL_ANONYMOUS_RATE",
            "often",
            "PORTAL_ANONYMOUS_RATE must look like 10/minute;100/day.",
        ),
        ("PORTAL_MAX_UPLOAD_MB", "0", "PORTAL_MAX_UPLOAD_MB is not usable"),
        ("PORTAL_MAX_UPLOAD_MB", "2.5", "PORTAL_MAX_UPLOAD_MB is not usable"),
        ("PORTAL_INFERENCE_THREADS", "", ""),
        (
            "PORTAL_INFERENCE_PROVIDERS",
            "cuda,abacus",
            "PORTAL_INFERENCE_PROVIDERS knows cpu, cuda, dnnl, ",
        ),
        ("PORT", "http", "PORT is not usable ('http'): "),
        ("PORT", "65536", "PORT is not usable"),
        (
            "PORTAL_COLOUR",
            "red",
            "PORTAL_COLOUR is not a setting of the portal; see .env.example.",
        ),
        ("PORTAL_HOST", "x", "PORTAL_HOST is not a setting of the portal"),
        ("PORTAL_", "x", "PORTAL_ is not a setting of the portal"),
        ("PORTAL_COLOUR_FILE", "x", "PORTAL_COLOUR_FILE is not a setting"),
        (
            "PORTAL_SECRET_KEY_FILE",
            "/nonexistent/secret",
            "PORTAL_SECRET_KEY_FILE names the file /nonexistent/secret, which can't",
        ),
        ("PORTAL_SECRET_KEY_FILE", "/usr/bin/true", "PORTAL_SECRET_KEY_FILE names"),
        (
            "PORTAL_DATA_DIR",
            "/proc/nothing",
            "PORTAL_DATA_DIR (/proc/nothing) can't be",
        ),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_setting(load, name, value, sentence):
    if not value:
        assert load(**{name: value}).inference_threads == 1
        return

    with pytest.raises(SettingInvalid) as invalid:
        load(**{name: value})

    assert str(invalid.value).startswith(sentence)
    assert str(invalid.value).endswith(".")
    assert "\n" not in str(invalid.value).replace(value, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_SECRET_KEY", "hunter2"),
        ("PORTAL_SMTP_URLS", "smtpx://portal:hunter2@host"),
        ("PORTAL_DATABASE_URL", "mysql://portal:hunter2@host/db"),
        ("PORTAL_REDIS_URL", "http://:hunter2@host"),
        ("PORTAL_REMOTE_TOKENS", "host=hunter2"),
        ("PORTAL_REMOTE_TOKENS", "https://host:443=hunter2"),
        ("PORTAL_REMOTE_TOKENS", "host:443=hunter2\r\nX: y"),
        ("PORTAL_REMOTE_TOKENS", "host:443=hunter2,HOST:443=other"),
    ],
)
def test_a_sentence_never_repeats_a_secret(load, name, value):
    with pytest.raises(SettingInvalid) as invalid:
        load(**{name: value})

    assert "hunter2" not in str(invalid.value)


def test_each_other_server_has_its_token(load):
    config = load(PORTAL_REMOTE_TOKENS="Triton.Example:8000=a=b, [::1]:443=c")

    assert config.token_by_server == {"triton.example:8000": "a=b", "[::1]:443": "c"}


@pytest.mark.parametrize(
    "name",
    [
        "PORTAL_SERVICE_HOST",
        "PORTAL_SERVICE_PORT_HTTP",
        "PORTAL_PORT",
        "PORTAL_PORT_8000_TCP_ADDR",
    ],
)
def test_what_kubernetes_injects_is_ignored(load, name):
    assert load(**{name: "tcp://10.0.0.1:8000"}) == load()


def test_other_names_of_the_environment_are_ignored(load):
    assert load(PATH="/bin", XPORTAL_WORKERS="9") == load()


@pytest.mark.parametrize("name", ["PORTAL_REDIS_URL", "PORTAL_WORKERS", "PORT"])
def test_an_empty_value_is_no_value(load, name):
    assert load(**{name: ""}) == load()


def test_a_secret_may_come_from_a_file(load, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")

    config = load(PORTAL_SECRET_KEY_FILE=str(tmp_path / "secret"))

    assert config.secret_key == (SECRET,)


@pytest.mark.parametrize("setting", ["SMTP_URLS", "DATABASE_URL", "REDIS_URL"])
def test_any_setting_with_a_password_may_come_from_a_file(load, tmp_path, setting):
    urls = {
        "SMTP_URLS": "smtp://u:p@mail.example.org:587?tls=starttls",
        "DATABASE_URL": "sqlite:////tmp/x.sqlite3",
        "REDIS_URL": "redis://:p@redis:6379/0",
    }
    (tmp_path / "secret").write_text(urls[setting])

    config = load(**{f"PORTAL_{setting}_FILE": str(tmp_path / "secret")})

    assert urls[setting] in (config.database_url, config.redis_url, *config.smtp_urls)


def test_an_empty_name_of_a_file_is_no_file(load):
    """Compose passes a variable that the owner left out as an empty one."""
    assert load(PORTAL_REDIS_URL_FILE="", PORTAL_SECRET_KEY_FILE="") == load()


def test_the_value_itself_goes_before_the_file(load, tmp_path):
    (tmp_path / "secret").write_text("y" * 32)

    config = load(
        PORTAL_SECRET_KEY_FILE=str(tmp_path / "secret"), PORTAL_SECRET_KEY=SECRET
    )

    assert config.secret_key == (SECRET,)


def test_a_list_of_secrets_rotates(load):
    config = load(PORTAL_SECRET_KEY=f"{SECRET}, {'y' * 32}")

    assert config.secret_key == (SECRET, "y" * 32)


def test_without_a_secret_one_is_made_and_kept(load, tmp_path):
    first, second = load(), load()

    assert first.secret_key == second.secret_key
    assert len(first.secret_key[0]) >= 32
    path = tmp_path / "secret_key"
    assert path.read_text() == first.secret_key[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["secret_key"]


def test_two_folders_have_two_secrets(load, tmp_path):
    one = load(PORTAL_DATA_DIR=str(tmp_path / "a")).secret_key
    other = load(PORTAL_DATA_DIR=str(tmp_path / "b")).secret_key

    assert one != other


def test_a_secret_that_is_given_leaves_none_behind(load, tmp_path):
    load(PORTAL_SECRET_KEY=SECRET)

    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_together_make_one_secret(load):
    start = threading.Barrier(8)
    found = set()

    def read():
        start.wait()
        found.add(load().secret_key)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@db:5432/portal",
        "postgresql://u:p@db:5432/portal",
        "postgresql+psycopg2://u:p@db:5432/portal",
    ],
)
def test_postgresql_means_psycopg2(load, url):
    config = load(PORTAL_DATABASE_URL=url)

    assert config.database_url == "postgresql+psycopg2://u:p@db:5432/portal"


def test_with_redis_there_is_a_worker_per_core(load, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 6)

    config = load(PORTAL_REDIS_URL="redis://redis:6379/0")

    assert (config.workers, config.is_embedded) == (6, False)


def test_with_redis_the_workers_may_be_told(load):
    config = load(PORTAL_REDIS_URL="redis://redis:6379/0", PORTAL_WORKERS="3")

    assert config.workers == 3


def test_one_worker_without_redis_may_be_told(load):
    assert load(PORTAL_WORKERS="1").workers == 1


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", "8001", "http://127.0.0.1:8001"),
        ("0.0.0.0", "8000", "http://127.0.0.1:8000"),  # noqa: S104 - not bound
        ("::", "8000", "http://127.0.0.1:8000"),
        ("::1", "8000", "http://[::1]:8000"),
        ("2001:db8::7", "80", "http://[2001:db8::7]:80"),
        ("portal.lan", "8000", "http://portal.lan:8000"),
    ],
)
def test_the_address_of_links_is_made_from_host_and_port(load, host, port, url):
    assert load(HOST=host, PORT=port).base_url == url


def test_the_address_of_links_may_be_told(load):
    config = load(PORTAL_BASE_URL="https://portal.example.org/", PORT="9000")

    assert config.base_url == "https://portal.example.org"
    assert config.is_https


@pytest.mark.parametrize(
    ("url", "first"),
    [
        ("https://portal.example.org", "portal.example.org"),
        ("http://portal.lan:8000", "portal.lan"),
        ("http://[2001:db8::7]:8000", "[2001:db8::7]"),
    ],
)
def test_the_host_of_the_address_is_allowed_and_loopback(load, url, first):
    config = load(PORTAL_BASE_URL=url)

    assert config.allowed_hosts == (first, "127.0.0.1", "localhost", "[::1]")


def test_the_allowed_hosts_may_be_told(load):
    config = load(PORTAL_ALLOWED_HOSTS=" a.example ,b.example,")

    assert config.allowed_hosts == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail", ("mail", 25, None, None, False, False)),
        ("smtp://mail?tls=starttls", ("mail", 587, None, None, False, True)),
        ("smtps://mail", ("mail", 465, None, None, True, False)),
        ("smtp://me:a%40b@mail:2525", ("mail", 2525, "me", "a@b", False, False)),
        ("smtp://[::1]:25", ("::1", 25, None, None, False, False)),
    ],
)
def test_an_smtp_server_is_an_address(url, server):
    names = ("host", "port", "username", "password", "uses_ssl", "uses_starttls")

    assert SmtpServer.from_url(url) == SmtpServer(
        **dict(zip(names, server, strict=True))
    )


def test_smtp_servers_stand_in_the_order_they_are_tried(load):
    config = load(PORTAL_SMTP_URLS="smtps://a, smtp://b:2525")

    assert [server.host for server in config.smtp_servers] == ["a", "b"]


def test_settings_are_read_from_the_file_too(load, tmp_path):
    file = tmp_path / ".env"
    file.write_text(
        "# mine\nPORTAL_THREADS=3\nexport PORT=9000\nPORTAL_SIGNUP='closed'\n"
    )

    config = load(dotenv=file)

    assert (config.threads, config.port, config.signup) == (3, 9000, "closed")


def test_the_environment_goes_before_the_file(load, tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORTAL_THREADS=3\nPORTAL_SIGNUP=closed\n")

    config = load(dotenv=file, PORTAL_THREADS="5", PORTAL_SIGNUP="")

    # An empty value hides what the file says.
    assert (config.threads, config.signup) == (5, "open")


def test_an_unknown_name_in_the_file_is_refused_too(load, tmp_path):
    file = tmp_path / ".env"
    file.write_text("PORTAL_COLOUR=red\n")

    with pytest.raises(SettingInvalid, match="PORTAL_COLOUR is not a setting"):
        load(dotenv=file)


def test_settings_can_not_be_changed(load):
    config = load()

    with pytest.raises(ValueError, match="frozen"):
        config.threads = 9
