"""A version on another server, which may do anything."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from structlog.testing import capture_logs

from portal.errors import Invalid
from portal.runtime import (
    LoadedModel,
    ModelPool,
    RemoteModel,
    Scheduler,
    Signature,
    TensorSpec,
    VersionSpec,
)
from portal.runtime.deadline import Deadline, RunTimedOut
from portal.runtime.remote.failures import (
    RemoteAway,
    RemoteBroke,
    RemoteBusy,
    RemoteFailed,
    RemoteInvalid,
    RemoteMisses,
    RemoteTimedOut,
)
from portal.runtime.remote.tensors import write_request
from portal.runtime.scheduler import Busy
from tests.servers.strange import (
    StrangeServer,
    answer_outputs,
    answer_with,
    close,
)

ROW = {"x": np.array([[1, 2]], dtype=np.float32)}
GOOD = {"name": "y", "datatype": "FP32", "shape": [1, 2], "data": [3, 4.5]}
BINARY = {**GOOD, "parameters": {"binary_data_size": 8}}
TAIL = np.array([3, 4.5], dtype="<f4").tobytes()


@pytest.fixture
def server():
    with StrangeServer(answer_outputs(GOOD)) as server:
        yield server


def version(server, *, shape=(None, 2), dtype="float32", timeout_s=10, **remote):
    signature = Signature(
        (TensorSpec("x", dtype, shape),), (TensorSpec("y", dtype, shape),)
    )
    return VersionSpec(
        digest="d1",
        model_name="far",
        task="tensor",
        files={},
        signatures={"model": signature},
        timeout_s=timeout_s,
        remote=RemoteModel(server.url, "m", **remote),
    )


def load(server, *, token="", lane=None, **changes):
    return LoadedModel(version(server, **changes), lane=lane, remote_token=token)


def run(loaded, inputs=ROW):
    return loaded.predict(inputs, {}).values["y"].array


def echo(connection, request):
    """Answer with the input as it came, under the name of the output."""
    (sent,) = request.document["inputs"]
    output = {**sent, "name": "y"}
    answer_outputs(output, tail=request.tail)(connection, request)


# The values


@pytest.mark.parametrize("is_binary", [True, False], ids=["bytes", "JSON"])
@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, -2.5]], dtype="float32"),
        np.array([[1e300, 2]], dtype="float64"),
        np.array([[0.5, 65504]], dtype="float16"),
        np.array([[-(2**63), 2**63 - 1]], dtype="int64"),
        np.array([[0, 255]], dtype="uint8"),
        np.array([[True, False]]),
        np.array([["zwölf", ""]], dtype=object),
        np.arange(6, dtype="int32").reshape(2, 3).T,
    ],
    ids=lambda array: array.dtype.name,
)
def test_a_tensor_goes_there_and_back_unchanged(server, array, is_binary):
    server.behave = echo
    dtype = "str" if array.dtype == object else array.dtype.name
    loaded = load(server, dtype=dtype, is_binary=is_binary)

    found = run(loaded, {"x": array})

    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_nan_goes_there_and_back_as_bytes_and_is_refused_as_json(server):
    server.behave = echo
    row = {"x": np.array([[np.nan, np.inf]], dtype=np.float32)}

    found = run(load(server, is_binary=True), row)

    np.testing.assert_array_equal(found, row["x"])
    with pytest.raises(Invalid, match="NaN or an infinity"):
        run(load(server), row)


def test_null_stands_for_nan_in_an_answer(server):
    server.behave = answer_outputs({**GOOD, "data": [[None, 1]]})

    found = run(load(server))

    np.testing.assert_array_equal(found, [[np.nan, 1]])


def test_a_tensor_is_sent_without_a_copy(server):
    large = np.zeros((100_000, 2), dtype=np.float32)
    signature = version(server).signatures["model"]

    (_, tail), _ = write_request(signature, {"x": large}, ["y"], is_binary=True)

    assert np.shares_memory(np.frombuffer(tail, dtype=np.uint8), large)


def test_the_address_names_model_and_version(server):
    spec = version(server)
    remote = replace(spec.remote, url=f"{server.url}/base", model="a/b", version="v 1")

    LoadedModel(replace(spec, remote=remote)).predict(ROW, {})

    assert server.asked == ["/base/v2/models/a%2Fb/versions/v%201/infer"]


# Connections


def test_a_connection_is_kept_for_the_next_call(server):
    loaded = load(server)

    for _ in range(3):
        run(loaded)

    assert (server.connections, len(server.requests)) == (1, 3)


def test_a_connection_that_was_closed_while_idle_costs_no_call(server):
    loaded = load(server)
    run(loaded)

    def hang_up_once(connection, _):
        server.behave = answer_outputs(GOOD)
        close(connection)

    server.behave = hang_up_once

    assert run(loaded).tolist() == [[3, 4.5]]
    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_connection_that_is_closed_again_is_not_tried_a_third_time(server):
    server.behave = lambda connection, _: close(connection)

    with pytest.raises(RemoteAway):
        run(load(server))

    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_told_so_in_a_sentence():
    with StrangeServer() as gone:
        pass

    with pytest.raises(RemoteAway, match="can't be reached") as refused:
        run(load(gone))

    assert "Connection refused" in refused.value.reason


@pytest.mark.parametrize(
    "begun", [b"HT", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"]
)
def test_an_answer_that_breaks_off_is_not_asked_for_again(server, begun):
    def break_off(connection, _):
        connection.sendall(begun)
        close(connection)

    server.behave = break_off

    with pytest.raises(RemoteAway):
        run(load(server))

    assert len(server.requests) == 1


def test_the_token_is_sent_and_a_redirect_is_not_followed(server):
    with StrangeServer(answer_outputs(GOOD)) as other:
        server.behave = answer_with("", "307 Over there", Location=f"{other.url}/x")

        with pytest.raises(RemoteMisses):
            run(load(server, token="a secret"))

        assert server.requests[0].headers["authorization"] == "Bearer a secret"
        assert other.connections == 0


def test_each_server_gets_its_own_token_and_others_get_none(server):
    with StrangeServer(answer_outputs(GOOD)) as other, StrangeServer() as unknown:
        unknown.behave = answer_outputs(GOOD)
        pool = ModelPool(
            remote_tokens={server.authority: "one", other.authority: "two"}
        )
        for one in (server, other, unknown):
            pool.get(replace(version(one), digest=one.url)).predict(ROW, {})

    sent = [one.requests[0].headers for one in (server, other, unknown)]
    tokens = [headers.get("authorization") for headers in sent]
    assert tokens == ["Bearer one", "Bearer two", None]


# Time


def sleep(connection, _):
    time.sleep(5)


def drip(connection, begun):
    """Go on for longer than any wait may take, but not for ever."""
    connection.sendall(begun)
    for _ in range(100):
        connection.sendall(b" ")
        time.sleep(0.05)


def drip_headers(connection, _):
    drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: ")


def drip_body(connection, _):
    drip(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")


def drip_without_a_length(connection, _):
    drip(connection, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{")


@pytest.mark.parametrize(
    "behave", [sleep, drip_headers, drip_body, drip_without_a_length]
)
def test_the_deadline_ends_the_wait_and_nothing_is_tried_again(server, behave):
    server.behave = behave
    began = time.monotonic()

    with capture_logs() as logged, pytest.raises(RunTimedOut):
        run(load(server, timeout_s=0.4))

    assert time.monotonic() - began < 3
    assert len(server.requests) == 1
    assert "not done within 0.4 seconds" in logged[0]["why"]


# Answers that are none


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (answer_outputs({**GOOD, "shape": [1, 3], "data": [1, 2, 3]}), "shape"),
        (answer_outputs({**GOOD, "shape": [2]}), "shape"),
        (answer_outputs({**GOOD, "shape": [-1, 2]}), "shape"),
        (answer_outputs({**GOOD, "shape": [2**62, 2]}), "shape"),
        (answer_outputs({**GOOD, "shape": "12"}), "shape"),
        (answer_outputs({**GOOD, "datatype": "FP64"}), "FP64"),
        (answer_outputs({**GOOD, "data": [1]}), "1 values"),
        (answer_outputs({**GOOD, "data": [[1], [2]]}), "data of"),
        (answer_outputs({**GOOD, "data": ["3", "4"]}), "numbers only"),
        (answer_outputs({**GOOD, "data": [1e300, 4]}), "does not fit"),
        (answer_outputs({**GOOD, "data": "34"}), "no list"),
        (answer_outputs({**GOOD, "name": "z"}), "the output y"),
        (answer_outputs(), "the output y"),
        (answer_outputs(BINARY, tail=TAIL + b"more"), "8 bytes, and 12 came"),
        (answer_outputs(BINARY, tail=TAIL[:4]), "bytes"),
        (
            answer_outputs({**GOOD, "parameters": {"binary_data_size": -8}}, tail=TAIL),
            "binary_data_size",
        ),
        (
            answer_outputs(
                {**GOOD, "parameters": {"binary_data_size": "8"}}, tail=TAIL
            ),
            "binary_data_size",
        ),
        (answer_with("{}", Inference_Header_Content_Length="99"), "99, of 2 bytes"),
        (answer_with("{}", Inference_Header_Content_Length="-1"), "-1, of 2 bytes"),
        (answer_with("{}", Inference_Header_Content_Length="x"), "none"),
        (answer_with("<html>hello"), "none"),
        (answer_with("[]"), "none"),
        (answer_with('{"outputs": [1]}'), "none"),
        (answer_with('{"outputs": 1}'), "none"),
        (answer_with('{"outputs": [{"name": [], "shape": []}]}'), "none"),
        (answer_with("[" * 100_000), "none"),
        (answer_with(""), "0"),
        (answer_with("{}", Content_Encoding="gzip"), "compressed"),
    ],
)
@pytest.mark.parametrize("is_binary", [True, False], ids=["bytes", "JSON"])
def test_an_answer_that_is_none_is_503_and_its_reason_the_owners(
    server, behave, reason, is_binary
):
    server.behave = behave

    with capture_logs() as logged, pytest.raises(RemoteFailed) as refused:
        run(load(server, is_binary=is_binary))

    assert reason in refused.value.reason
    assert str(refused.value).startswith("The model failed on this input.")
    assert [entry["why"] for entry in logged] == [refused.value.reason]


def chunked(connection, _, status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head.encode())
    while True:
        connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


@pytest.mark.parametrize(
    "behave",
    [answer_with("{}", Content_Length="1000000000000"), chunked],
    ids=["announced", "chunked"],
)
def test_a_huge_answer_is_not_read(server, behave):
    server.behave = behave

    with pytest.raises(RemoteFailed) as refused:
        run(load(server, max_answer_mb=1, timeout_s=3))

    assert refused.value.reason == "answered more than 1 MB"


def test_a_refusal_is_read_no_longer_than_it_is_shown(server):
    server.behave = partial(chunked, status="500 Oops")

    with pytest.raises(RemoteBroke):
        run(load(server, timeout_s=3))


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ("400 No", RemoteInvalid, 422),
        ("401 Who", RemoteMisses, 503),
        ("404 What", RemoteMisses, 503),
        ("413 Large", RemoteInvalid, 422),
        ("429 Often", RemoteBusy, 503),
        ("500 Oops", RemoteBroke, 503),
        ("502 Gone", RemoteAway, 503),
        ("503 Full", RemoteBusy, 503),
        ("504 Late", RemoteTimedOut, 504),
        ("204 Nothing", RemoteMisses, 503),
    ],
)
def test_what_the_server_says_is_told_to_the_owner_only(server, status, kind, code):
    server.behave = answer_with("<h1>db-7.internal</h1>", status, Retry_After="7")
    if status.startswith("204"):
        server.behave = answer_with("", status)

    with capture_logs() as logged, pytest.raises(kind) as refused:
        run(load(server))

    assert type(refused.value) is kind
    assert refused.value.status == code
    assert "internal" not in str(refused.value)
    assert f"answered {status[:3]}" in logged[0]["why"]
    if kind is RemoteBusy:
        assert refused.value.headers == {"Retry-After": "7"}


# The last one lies where what is shown ends.
@pytest.mark.parametrize("before", ["", "Bearer ", "." * 495])
def test_a_token_that_the_server_repeats_is_in_no_log(server, before):
    server.behave = answer_with(f"{before}a-secret, no", "401 Who")

    with capture_logs() as logged, pytest.raises(RemoteMisses) as refused:
        run(load(server, token="a-secret"))

    assert "a-s" not in f"{logged} {refused.value.reason}"
    assert f"answered 401: {before}…" in refused.value.reason


def test_without_a_token_nothing_is_left_out_of_what_the_server_says(server):
    server.behave = answer_with("no", "401 Who")

    with pytest.raises(RemoteMisses) as refused:
        run(load(server))

    assert refused.value.reason == "answered 401: no"


def test_a_refusal_by_a_server_that_lost_the_model_is_not_the_callers_fault(server):
    server.behave = answer_with("unknown model", "400 Bad")
    server.is_ready = False

    with pytest.raises(RemoteMisses):
        run(load(server))


# Pauses


class Clock:
    def __init__(self):
        self.shifted_s = 0.0

    def __call__(self):
        return time.monotonic() + self.shifted_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("portal.runtime.remote.circuit.monotonic", clock)
    return clock


@pytest.fixture
def away(server, clock):
    """Return a version whose server was away three times in a row."""
    loaded = load(server)
    server.behave = answer_with("", "502 Gone")
    for _ in range(3):
        with pytest.raises(RemoteAway):
            run(loaded)
    server.asked.clear()
    return loaded


def test_a_server_that_was_away_is_left_alone_for_a_moment(server, away):
    with pytest.raises(RemoteAway) as refused:
        run(away)
    with pytest.raises(RemoteAway):
        away.refuse_if_busy()

    assert refused.value.retry_after_s in {1, 2}
    assert isinstance(away.trouble, RemoteAway)
    assert server.asked == []


def test_a_server_that_is_too_slow_is_left_alone_for_a_moment(server, clock):
    loaded = load(server, timeout_s=0.2)
    server.behave = sleep
    for _ in range(3):
        with pytest.raises(RunTimedOut):
            run(loaded)

    with pytest.raises(RemoteAway):
        run(loaded)

    assert len(server.requests) == 3


def test_after_the_pause_a_server_that_is_ready_is_called_again(server, away, clock):
    server.behave = answer_outputs(GOOD)
    clock.shifted_s = 2

    assert run(away).tolist() == [[3, 4.5]]

    assert server.asked == ["/v2/models/m/ready", "/v2/models/m/infer"]
    assert away.trouble is None


def test_a_server_that_is_not_ready_is_left_alone_again(server, away, clock):
    server.is_ready = False
    clock.shifted_s = 2
    with pytest.raises(RemoteAway):
        run(away)
    with pytest.raises(RemoteAway):
        run(away)

    assert server.asked == ["/v2/models/m/ready"]


def test_after_the_pause_one_call_asks_for_all(server, away, clock):
    server.behave = answer_outputs(GOOD)
    clock.shifted_s = 2
    asking, answer = threading.Event(), threading.Event()
    session = away.backend._session  # noqa: SLF001 - the one way to hold it up
    is_ready = session.is_ready

    def ask(limit_s):
        asking.set()
        answer.wait(5)
        return is_ready(limit_s)

    session.is_ready = ask
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(run, away)
        assert asking.wait(5)
        with pytest.raises(RemoteAway):
            run(away)
        answer.set()

        assert first.result(5).tolist() == [[3, 4.5]]


def test_what_a_model_refuses_is_no_sign_that_its_server_is_away(server):
    loaded = load(server)
    server.behave = answer_with("", "400 No")
    for _ in range(4):
        with pytest.raises(RemoteInvalid):
            run(loaded)

    server.behave = answer_outputs(GOOD)
    assert run(loaded).tolist() == [[3, 4.5]]


# Places


def test_waiting_for_another_server_keeps_no_core(server):
    let_go = threading.Event()

    def wait(connection, request):
        let_go.wait(10)
        answer_outputs(GOOD)(connection, request)

    server.behave = wait
    scheduler = Scheduler(max_running=1, places=6)
    far = load(server, lane=scheduler.lane(max_running=4, uses_core=False))
    near = scheduler.lane()
    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(run, far) for _ in range(3)]
        while len(server.requests) < 3:
            time.sleep(0.01)
        # The half of the places that waits may hold is taken.
        with pytest.raises(Busy):
            run(far)
        another = scheduler.lane(uses_core=False)
        with (
            another.turn(Deadline(5)) as waited_ms,
            near.turn(Deadline(5)) as near_waited_ms,
        ):
            assert max(waited_ms, near_waited_ms) < 1000
        let_go.set()

        assert all(one.result(5).tolist() == [[3, 4.5]] for one in running)


def test_as_many_calls_go_there_at_once_as_the_version_says(server):
    lock, running, most = threading.Lock(), [], []

    def count(connection, request):
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.1)
        with lock:
            running.pop()
        answer_outputs(GOOD)(connection, request)

    server.behave = count
    loaded = load(server, concurrent=2)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: run(loaded), range(3)))

    assert max(most) == 2
