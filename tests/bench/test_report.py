"""The report shows every figure beside those it is compared with."""

from datetime import UTC, datetime

from bench import report
from bench.load import Figures, Load, median
from bench.overload import Manner, Outcome
from bench.raw import Raw
from bench.report import ModelResult, Results
from bench.serving import BARE, KEYED

PORTAL = "Model Portal"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def figures(per_s: float, **others: float) -> Figures:
    values = {"p50_ms": 6.0, "p99_ms": 20.0, "cpu_us": 300, "stores_cpu_us": 0}
    return Figures(per_s=per_s, **{**values, "errors": 0, **others})


def results(**others) -> Results:
    model = ModelResult("tiny", "perceptron", 46, Raw(100_000, 0.01), Raw(60_000, 0.01))
    model.per_server = {
        PORTAL: figures(3000, errors=7),
        BARE: figures(6000),
        KEYED: figures(2000),
    }
    model.pss_mib = {PORTAL: 250.4}
    model.alone = {PORTAL: figures(500, p50_ms=0.71)}
    return Results(
        Load(), rounds=3, load_average=(0.1, 0.2, 0.3), models=[model], **others
    )


def row_of(text: str, beginning: str) -> list[str]:
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {beginning} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_server_is_compared_with_both_peers():
    text = report.markdown(results(), at=AT)

    assert row_of(text, PORTAL)[1:4] == ["3,000", "0.50", "1.50"]
    assert row_of(text, PORTAL)[-2:] == ["250", "7"]


def test_a_server_stands_there_without_a_peer_to_compare_with():
    without = results()
    del without.models[0].per_server[BARE]

    assert row_of(report.markdown(without, at=AT), PORTAL)[2] == ""


def test_the_time_over_the_models_own_is_shown():
    text = report.markdown(results(), at=AT)

    assert row_of(text, "tiny")[1:4] == [PORTAL, "0.71", "0.70"]


def test_a_server_that_answered_nothing_has_no_times():
    silent = results()
    nan = float("nan")
    silent.models[0].per_server[PORTAL] = figures(0, p50_ms=nan, p99_ms=nan, cpu_us=nan)

    row = row_of(report.markdown(silent, at=AT), PORTAL)

    assert row[1:7] == ["0", "0.00", "0.00", "", "", ""]


def test_a_report_from_a_busy_machine_says_so():
    quiet, busy = results(), results()
    busy.load_average = (7.0, 5.0, 3.0)

    assert "measure again" not in report.markdown(quiet, at=AT)
    assert "7.0, 5.0, 3.0 (the machine was busy" in report.markdown(busy, at=AT)


def test_what_clients_met_under_overload_is_shown():
    outcome = Outcome(
        2.0, answered_ms=[10, 20, 30, 40], refused_ms=[1.0, 2.0], gave_up=5, broken=3
    )

    text = report.markdown(
        results(overload={(PORTAL, Manner.IMPATIENT): outcome}), at=AT
    )

    (row,) = [line for line in text.splitlines() if str(Manner.IMPATIENT) in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2] == "2"
    assert cells[5] == "1"
    assert cells[-2:] == ["5", "3"]


def test_a_peer_that_was_not_measured_is_named_with_the_reason():
    text = report.markdown(results(missing={"LitServe": "no network"}), at=AT)

    assert "- LitServe: no network" in text


def test_the_median_of_runs_adds_up_their_errors():
    runs = [figures(1, errors=1), figures(9, errors=0), figures(2, errors=2)]

    assert median(runs) == figures(2, errors=3)
