"""compose.yaml and the Dockerfile: valid, complete, and as closed as promised."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import fastjsonschema
import psycopg2
import pytest
import yaml

from portal.config import ROOT, Config
from tests.conftest import make_config
from tests.servers._process import ServerFailed
from tests.servers.nginx import PLACE, SOURCE

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
TLS = yaml.safe_load((ROOT / "deploy/compose.tls.yaml").read_text())
SERVICES = COMPOSE["services"]
ONE_SHOT = {"prepare"}
SCHEMA = Path(__file__).parent / "compose-spec/compose-spec.json"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPY = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)
FROM = re.compile(r"^FROM \S+ AS (\w+)$", re.MULTILINE)
SECRETS = ROOT / "deploy/make-secrets"


@pytest.fixture
def secrets(tmp_path):
    """Return the folder of secrets that the script makes."""
    script = Path(shutil.copy(SECRETS, tmp_path))
    subprocess.run([script], check=True, cwd="/")
    return tmp_path / "secrets"


def resolved(value):
    """Return *value* as Compose reads it with nothing set but what must be."""
    return re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", str(value))


@pytest.mark.parametrize("document", [COMPOSE, TLS], ids=["compose", "tls"])
def test_it_is_what_the_specification_allows(document):
    schema = json.loads(SCHEMA.read_text())
    # Go's durations, which the schema calls by the name of others.
    formats = {"duration": r"^(\d+(ms|s|m|h))+$"}

    fastjsonschema.compile(schema, formats=formats)(document)


def test_the_services_are_those_of_the_readme():
    assert set(SERVICES) == {
        *("nginx", "web-1", "web-2", "worker", "prepare", "postgres", "redis")
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_closed(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert not service.get("privileged")
    # The portal's image names its user itself.
    is_portal = service.get("build") == {"context": ".", "target": "portal"}
    assert is_portal or re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}


def test_the_images_of_our_own_run_as_nobody_in_particular():
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    users = {
        stage.split(" AS ")[1].split("\n")[0]: re.findall(r"(?m)^USER (\S+)$", stage)
        for stage in stages[1:]
    }

    assert users["nginx"] == ["nginx"]
    assert users["portal"] == ["10001:10001"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_says_whether_it_is_well_and_comes_back(name):
    service = SERVICES[name]

    if name in ONE_SHOT:
        assert service["restart"] == "no"
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_a_service_waits_until_what_it_needs_is_there():
    for name, service in SERVICES.items():
        for needed, wait in service.get("depends_on", {}).items():
            ends = needed in ONE_SHOT
            expected = "service_completed_successfully" if ends else "service_healthy"
            assert wait["condition"] == expected, (name, needed)

    needs = {"prepare", "postgres", "redis"}
    assert needs <= set(SERVICES["worker"]["depends_on"])
    assert needs <= set(SERVICES["web-1"]["depends_on"])
    # One after the other, so that an upgrade leaves one that answers.
    assert needs | {"web-1"} == set(SERVICES["web-2"]["depends_on"])
    assert set(SERVICES["nginx"]["depends_on"]) == {"web-1", "web-2"}


def test_only_nginx_has_a_port_and_the_stores_are_cut_off():
    published = [name for name, service in SERVICES.items() if "ports" in service]

    assert published == ["nginx"]
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert {SERVICES[n]["networks"][0] for n in ("postgres", "redis")} == {"back"}
    assert SERVICES["nginx"]["networks"] == ["front"]


def test_every_image_has_a_version():
    foreign = {s["image"] for s in SERVICES.values() if "build" not in s}
    bases = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))

    assert len(foreign) == 2
    for tag in (*(image.partition(":")[2] for image in foreign), *bases.values()):
        assert re.match(r"\d+(\.\d+)?-", tag), tag


@pytest.mark.parametrize("name", SERVICES)
def test_a_setting_in_it_is_one_of_the_portals(name):
    environment = SERVICES[name].get("environment", {})
    fields = {f"PORTAL_{field.upper()}" for field in Config.model_fields}

    named = {n.removesuffix("_FILE") for n in environment if n.startswith("PORTAL_")}
    assert named <= fields


def test_the_portals_start_with_these_settings_and_the_secrets(secrets, tmp_path):
    environment = dict(SERVICES["web-1"]["environment"])
    for setting, value in environment.items():
        path = str(value).replace("/run/secrets", str(secrets))
        environment[setting] = path if setting.endswith("_FILE") else resolved(value)
    environment["PORTAL_BASE_URL"] = "https://portal.example.org"
    (secrets / "remote_tokens").write_text("triton:8000=s3cret\n")

    config = make_config(tmp_path, **{"PORTAL_SECRET_KEY": "", **environment})

    password = (secrets / "database_password").read_text()
    assert config.database_url.endswith(f"//portal:{password}@postgres/portal")
    assert config.redis_url.endswith("@redis:6379/0")
    assert config.secret_key == ((secrets / "secret_key").read_text(),)
    assert (config.trusted_proxies, config.workers) == (1, 2)
    assert (config.smtp_urls, config.max_upload_mb) == ((), 10)
    assert config.token_by_server == {"triton:8000": "s3cret"}


def test_every_secret_is_listed_used_and_made(secrets):
    listed = {name: entry["file"] for name, entry in COMPOSE["secrets"].items()}
    used = {name for s in SERVICES.values() for name in s.get("secrets", [])}
    text = (ROOT / "compose.yaml").read_text()

    assert used == set(listed)
    assert set(re.findall(r"/run/secrets/([\w.]+)", text)) <= used
    assert {f"./deploy/secrets/{p.name}" for p in secrets.iterdir()} == {
        *listed.values(),
        "./deploy/secrets/redis_password",
    }


def test_secrets_are_ours_alone_and_stay_when_made_again(secrets):
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    (secrets / "smtp_urls").write_text("smtp://mail.example.org")

    subprocess.run([secrets.parent / "make-secrets"], check=True)

    after = {path.name: path.read_bytes() for path in secrets.iterdir()}
    assert after == {**before, "smtp_urls": b"smtp://mail.example.org"}
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert all(os.access(path, os.R_OK) for path in secrets.iterdir())
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o644}
    ignored = ["git", "check-ignore", "--quiet", "deploy/secrets/secret_key"]
    assert subprocess.run(ignored, cwd=ROOT, check=False).returncode == 0


def test_nginx_and_the_portals_share_one_limit_on_bodies():
    settings = [
        SERVICES[name]["environment"]["PORTAL_MAX_UPLOAD_MB"]
        for name in ("nginx", "web-1", "web-2", "worker", "prepare")
    ]
    template = (SOURCE / "templates/portal.conf.template").read_text()

    assert set(settings) == {"${PORTAL_MAX_UPLOAD_MB:-10}"}
    assert "client_max_body_size ${PORTAL_MAX_UPLOAD_MB}m;" in template


def test_nginx_is_told_every_value_that_its_templates_name():
    templates = (SOURCE / "templates").rglob("*.template")
    named = {name for path in templates for name in PLACE.findall(path.read_text())}
    in_image = set(re.findall(r"\b(NGINX_\w+)=", DOCKERFILE))

    assert named <= in_image | set(SERVICES["nginx"]["environment"])


def test_the_commands_and_what_is_mounted_exist():
    # The image's own command stands in the Dockerfile.
    assert "command" not in SERVICES["web-1"]
    assert '"gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"' in DOCKERFILE
    assert SERVICES["worker"]["command"] == ["flask", "worker"]
    assert SERVICES["prepare"]["command"] == [
        "python",
        "-m",
        "portal.serve",
        "--prepare",
    ]
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            is_file = source.startswith("./")
            assert (ROOT / source).exists() if is_file else source in COMPOSE["volumes"]
        if "build" in service:
            assert service["build"]["target"] in FROM.findall(DOCKERFILE)


def test_a_portal_has_the_time_that_gunicorn_gives_requests():
    text = (ROOT / "gunicorn.conf.py").read_text()
    grace_s = int(re.search(r"^graceful_timeout = (\d+)$", text, re.MULTILINE)[1])

    for name in ("web-1", "web-2", "nginx"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > grace_s


def test_redis_keeps_a_file_and_asks_for_a_password(secrets):
    command = SERVICES["redis"]["command"]

    assert command[command.index("--appendonly") + 1] == "yes"
    password = (secrets / "redis_password").read_text()
    assert (secrets / "redis.conf").read_text() == f"requirepass {password}\n"


def test_what_the_images_copy_is_there_and_reaches_the_builder():
    sources = [source for line in COPY.findall(DOCKERFILE) for source in line.split()]
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    taken = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]

    assert len(sources) > 5
    for source in sources:
        assert (ROOT / source).exists(), source
        reached = source == "." or any(Path(source).is_relative_to(t) for t in taken)
        assert reached, source


def test_the_portals_role_owns_its_database_and_nothing_else(postgres, secrets):
    script = (ROOT / "deploy/postgres/create_database.sh").read_text()
    psql = shutil.which("psql")
    if psql is None:
        message = "There is no psql here; scripts/setup tests installs it."
        raise ServerFailed(message)
    run = script.replace("/run/secrets", str(secrets))
    admin = psycopg2.connect(postgres.url)
    admin.autocommit = True
    environ = {
        "PATH": os.environ["PATH"],
        "POSTGRES_USER": "postgres",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
    }
    try:
        subprocess.run(["sh", "-c", run], env=environ, check=True)
        own = psycopg2.connect(
            postgres.url.replace("postgres@", "portal@").replace("/postgres", "/portal")
        )
        with own, own.cursor() as cursor:
            cursor.execute("CREATE TABLE t (n int)")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("CREATE ROLE other")
        own.close()
    finally:
        with admin.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS portal WITH (FORCE)")
            cursor.execute("DROP ROLE IF EXISTS portal")
        admin.close()
