"""The rows of the metadata API: the load of each, and the proof that its answers were good ones."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.benchmark import beside, content, wrk
from tests.benchmark.content import Content
from tests.benchmark.databases import Database
from tests.benchmark.results import Figure

BATCH = 100
PAGE = 100


class Wrong(Exception):
    """A server answered, but not what was asked for."""


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    kind: str
    """The function of load.lua."""
    data: Callable[[Content], dict[str, Any]]
    sample: Callable[[Content], None]
    """Ask once, and raise Wrong for an answer that is not as it must be."""
    table: str = ""
    """The table whose new rows are counted."""
    each: int = 1
    """New rows of one request, or of as many as `requests`."""
    requests: int = 1
    """Requests that make one of what is counted in a second."""
    units: int = 1
    """Of what is counted in a second, in so many requests."""
    clients: wrk.Clients = field(default_factory=wrk.Clients)
    unit: str = "1/s"
    absent: tuple[str, ...] = ()
    """Servers that have no such thing."""
    beside: Callable[[Content], AbstractContextManager[None]] = lambda _: nullcontext()
    """What else goes on meanwhile."""


def measure(
    row: Row, server: str, url: str, database: Database, of: Content, seconds: int
) -> Figure:
    """Drive a server with one row's load; what shows that the figure means nothing is its fault.

    What has a fault is measured once more.
    """
    figure = _measure(row, server, url, database, of, seconds)
    return _measure(row, server, url, database, of, seconds) if figure.fault else figure


def _measure(
    row: Row, server: str, url: str, database: Database, of: Content, seconds: int
) -> Figure:
    data = row.data(of)
    database.settle()
    try:
        with _stored(row, database) as loads:
            row.sample(of)
            with row.beside(of):
                loads += wrk.drive(url, row.kind, seconds, data, row.clients)
            row.sample(of)
        fault = next((load.fault for load in loads if load.fault), None)
        last = loads[-1]
        if not last.requests:
            raise Wrong("no answers in time")
    except (Wrong, RuntimeError) as error:
        return Figure(database.kind, server, row.name, 0, row.unit, str(error)[:300])
    rate = last.rate * row.units / row.requests
    return Figure(database.kind, server, row.name, rate, row.unit, fault, asdict(last))


@contextmanager
def _stored(row: Row, database: Database) -> Iterator[list[wrk.Load]]:
    """Raise Wrong when the database has not what the answers say.

    Requests that were on their way when wrk ended may be stored, and were not counted; so may be
    what was refused, which is a fault of its own. Where several make one of what is counted, each
    client may have sent some of them and not yet the others.
    """
    if not row.table:
        yield []
        return
    before = database.count(row.table)
    loads: list[wrk.Load] = []
    yield loads
    found = database.count(row.table) - before
    clients = row.clients.connections
    begun = clients + 1 if row.requests > 1 else 0
    whole = sum(load.good // row.requests for load in loads) + 2  # and the samples
    promised = max(whole - begun * len(loads), 0) * row.each
    most = whole + sum(max(begun, clients) + load.broken + load.refused for load in loads)
    if not promised <= found <= most * row.each:
        raise Wrong(f"{promised} rows of {row.table} were acknowledged, {found} are there")


def _sample_log_metric(of: Content) -> None:
    _log(of, 1)


def _sample_log_batch(of: Content) -> None:
    _log(of, BATCH)


_steps = iter(range(1, 1_000_000))


def _log(of: Content, size: int) -> None:
    run, step = of.logged[0], next(_steps)
    metrics = [
        {"key": f"sample_{key}", "value": 0.5, "timestamp": 1_700_000_000_000, "step": step}
        for key in range(size)
    ]
    if size == 1:
        answer = of.api.post("runs/log-metric", run_id=run, **metrics[0])
    else:
        answer = of.api.post("runs/log-batch", run_id=run, metrics=metrics, params=[], tags=[])
    expect(answer == {}, answer)
    shown = of.api.get("runs/get", run_id=run)["run"]["data"]["metrics"]
    steps = {metric["key"]: int(metric["step"]) for metric in shown}
    expect(all(steps.get(f"sample_{key}") == step for key in range(size)), steps)


def _sample_create_run(of: Content) -> None:
    tags = [{"key": "mlflow.user", "value": "someone"}]
    made = of.api.post(
        "runs/create",
        experiment_id=of.created,
        run_name="sample",
        start_time=1_700_000_000_000,
        tags=tags,
    )["run"]
    expect(made["info"]["run_name"] == "sample" and len(made["info"]["run_id"]) == 32, made)
    shown = of.api.get("runs/get", run_id=made["info"]["run_id"])["run"]
    expect(tags[0] in shown["data"]["tags"], shown)


def _sample_get_run(of: Content) -> None:
    _full(of.api.get("runs/get", run_id=of.read[3])["run"])


def _sample_search(of: Content) -> None:
    found = _search(of, "attributes.start_time > 5", "attributes.start_time DESC")
    times = [int(run["info"]["start_time"]) for run in found]
    expect(times == sorted(times, reverse=True), times)


def _sample_search_filtered(of: Content) -> None:
    where = "metrics.metric_0 > 0.25 and params.param_0 = 'adam'"
    found = _search(of, where, "metrics.metric_1 DESC")
    values = [_values(run, "metrics") for run in found]
    expect(all(each["metric_0"] > 0.25 for each in values), values)
    expect(all(_values(run, "params")["param_0"] == "adam" for run in found), values)
    order = [each["metric_1"] for each in values]
    expect(order == sorted(order, reverse=True), order)


def _search(of: Content, where: str, order: str) -> list[Any]:
    found: list[Any] = of.api.post(
        "runs/search",
        experiment_ids=[of.searched],
        max_results=PAGE,
        run_view_type="ACTIVE_ONLY",
        filter=where,
        order_by=[order],
    )["runs"]
    expect(len(found) == PAGE, len(found))
    for run in found:
        _full(run)
    return found


def _sample_history(of: Content) -> None:
    for run in of.histories:
        points = of.api.get("metrics/get-history", run_id=run, metric_key="loss")["metrics"]
        expect(len(points) == content.POINTS, len(points))
        steps = {int(point.get("step", 0)) for point in points}
        expect(steps == set(range(content.POINTS)), len(steps))


def _sample_registry_search(of: Content) -> None:
    for pattern in of.patterns[:7]:
        where = f"name LIKE '{pattern.replace('%25', '%')}'"
        fields = {"filter": where, "max_results": str(PAGE)}
        found = of.api.get("registered-models/search", **fields)["registered_models"]
        expect(len({model["name"] for model in found}) == PAGE, len(found))


def _logging(of: Content) -> AbstractContextManager[None]:
    def log(number: int) -> None:
        run = of.logged[number % len(of.logged)]
        metric = {"key": "beside", "value": 0.5, "timestamp": 1_700_000_000_000, "step": number}
        of.api.post("runs/log-metric", run_id=run, **metric)

    return beside.repeated(log)


def _full(run: Any) -> None:
    for part in ("metrics", "params"):
        expect(len(_values(run, part)) == content.FIELDS, run)
    expect(len(run["data"]["tags"]) >= 4, run)


def _values(run: Any, part: str) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in run["data"][part]}


def expect(holds: bool, shown: Any) -> None:
    """Raise Wrong unless it holds."""
    if not holds:
        raise Wrong(f"not the answer that was expected: {str(shown)[:200]}")


ROWS = {
    row.name: row
    for row in (
        Row(
            "log-metric-16",
            "log-metric, 16 runs",
            "log-metric",
            lambda of: {"runs": of.logged},
            _sample_log_metric,
            "metrics",
        ),
        Row(
            "log-metric-1",
            "log-metric, one run",
            "log-metric",
            lambda of: {"runs": of.logged[:1]},
            _sample_log_metric,
            "metrics",
        ),
        Row(
            "log-batch",
            f"log-batch of {BATCH} metrics",
            "log-batch",
            lambda of: {"runs": of.batched, "size": BATCH},
            _sample_log_batch,
            "metrics",
            BATCH,
        ),
        Row(
            "create-run",
            "create-run",
            "create-run",
            lambda of: {"experiment": of.created},
            _sample_create_run,
            "runs",
        ),
        Row(
            "get-run",
            "get-run",
            "get-run",
            lambda of: {"runs": of.read},
            _sample_get_run,
        ),
        Row(
            "search",
            "search-runs, 100 of 1,000",
            "search",
            lambda of: {"experiment": of.searched},
            _sample_search,
        ),
        Row(
            "search-filtered",
            "search-runs, filtered and ordered",
            "search-filtered",
            lambda of: {"experiment": of.searched},
            _sample_search_filtered,
        ),
        Row(
            "search-beside",
            "search-runs, 100 of 1,000, while others log",
            "search",
            lambda of: {"experiment": of.searched},
            _sample_search,
            beside=_logging,
        ),
        Row(
            "history",
            "get-history of 10,000 points",
            "history",
            lambda of: {"runs": of.histories},
            _sample_history,
        ),
        Row(
            "registry-search",
            "registry search",
            "registry-search",
            lambda of: {"patterns": of.patterns},
            _sample_registry_search,
            absent=("fasttrackml",),
        ),
    )
}
