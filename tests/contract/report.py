"""The report on a release: what it changes against the kept contract, and what Tandem does."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tests.contract import database, tandem
from tests.contract.entries import KINDS, Change, Contract, compare
from tests.contract.server_routes import split
from tests.contract.tandem import Answer, Standing, Tandem

_TYPE = re.compile(r"mlflow\.[\w.]+")
_PARAMETER = re.compile(r"\{[^{}]*\}")
_SIGN = {"new": "+", "gone": "-", "changed": "~"}

Lines = list[str]


def report(kept: Contract, release: Contract, asked: Tandem) -> str:
    """The text of the report."""
    changes = compare(kept, release)
    answers = asked.of_endpoints(release)
    used = _used(release, answers)
    sections = [
        _endpoints(changes, answers),
        _messages(changes, used),
        _graphql(changes, release),
        _operation(changes),
        _info(changes, asked),
        _revisions(kept, release, changes),
        _pages(kept, release, answers, asked),
        _unread(release),
    ]
    return "\n".join(
        [*_head(kept, release, changes), *(line for each in sections for line in each)]
    )


def _head(kept: Contract, release: Contract, changes: Iterable[Change]) -> Lines:
    title = f"MLflow {release.version} against the kept contract of {kept.version}"
    counts = Counter((change.kind, change.what) for change in changes)
    lines = [title, "=" * len(title), "", f"{'':12}{'new':>6}{'changed':>9}{'gone':>6}{'all':>7}"]
    for kind in KINDS:
        new, changed, gone = (counts[kind, what] for what in ("new", "changed", "gone"))
        lines.append(f"{kind:12}{new:6}{changed:9}{gone:6}{len(release.of(kind)):7}")
    return [*lines, "", "+ is new, ~ changed, - gone. docs/following-mlflow.md has the steps."]


def _section(title: str, advice: str, lines: Iterable[str]) -> Lines:
    found = list(lines)
    head = f"{title}: {len(found) or 'nothing'}"
    body = [f"  {line}" for line in found]
    return ["", head, "-" * len(head), *([f"To do: {advice}", *body] if found else [])]


def _endpoints(changes: Iterable[Change], answers: Mapping[str, Answer]) -> Lines:
    mine = [change for change in changes if change.kind == "endpoint"]
    unknown = [
        f"{' '.join(split(key))}"
        for key, answer in answers.items()
        if answer.standing is Standing.UNKNOWN
    ]
    listed = [
        f"{_SIGN[change.what]} {' '.join(split(change.name))}  [{_standing(answers, change)}]"
        for change in mine
    ]
    return [
        *_section(
            "Endpoints that Tandem neither answers nor names as absent",
            "implement each, or name it with a reason in ABSENT of "
            "services/metadata/tandem_metadata/routes/unsupported.py.",
            sorted(unknown),
        ),
        *_section(
            "Endpoints that changed",
            "implement what tracking and the registry are about; compare with a real server by "
            "the peer test.",
            listed,
        ),
    ]


def _standing(answers: Mapping[str, Answer], change: Change) -> str:
    answer = answers.get(change.name)
    if not answer:
        return "gone: Tandem may answer it for older clients"
    return f"{answer.standing}: {answer.reason}" if answer.reason else str(answer.standing)


def _used(release: Contract, answers: Mapping[str, Answer]) -> set[str]:
    """Messages and enumerations that endpoints hold which Tandem implements."""
    waiting = [
        name
        for key, words in release.of("endpoint").items()
        if answers[key].standing is Standing.IMPLEMENTED
        for name in words
    ]
    used: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            for member in release.of("message").get(name, ()):
                waiting += _TYPE.findall(member.partition(":")[2])
    return used


def _messages(changes: Iterable[Change], used: set[str]) -> Lines:
    mine = [change for change in changes if change.kind in ("message", "enum")]
    ours = [line for each in mine if each.name in used for line in _members(each)]
    others = [line for each in mine if each.name not in used for line in _members(each)]
    errors = [line for change in changes if change.kind == "error" for line in _members(change)]
    return [
        *_section(
            "Fields and values in requests and answers that Tandem implements",
            "read and write them in services/metadata/tandem_metadata/messages, as the server "
            "does.",
            ours,
        ),
        *_section("Fields and values of what Tandem does not have", "nothing.", others),
        *_section("Error codes and statuses", "follow in shared/tandem_shared/errors.py.", errors),
    ]


def _members(change: Change) -> Iterator[str]:
    if change.what != "changed":
        yield f"{_SIGN[change.what]} {change.name}  {' '.join(change.added or change.removed)}"
        return
    for sign, members in (("+", change.added), ("-", change.removed)):
        for member in members:
            yield f"{sign} {change.name}  {member}"


def _graphql(changes: Iterable[Change], release: Contract) -> Lines:
    ours = tandem.graphql_types()
    lacking = [
        f"{name}.{member}"
        for name, members in sorted(release.of("graphql").items())
        if name in ours
        for member in (each.partition("(")[0] for each in members)
        if member not in ours[name]
    ]
    changed = [line for each in changes if each.kind == "graphql" for line in _members(each)]
    return [
        *_section(
            "GraphQL: types and fields that changed",
            "follow in services/metadata/tandem_metadata/graphql/schema.graphql, where the UI "
            "asks for them.",
            changed,
        ),
        *_section(
            "GraphQL: fields of known types that Tandem has not",
            "look whether the UI asks for them.",
            lacking,
        ),
    ]


def _operation(changes: Iterable[Change]) -> Lines:
    read = tandem.variables()
    variables = [
        f"{line}{'  [Tandem reads it]' if change.name in read else ''}"
        for change in changes
        if change.kind == "variable"
        for line in _members(change)
    ]
    flags = [
        f"{line}{_flag_standing(change, line)}"
        for change in changes
        if change.kind == "command"
        for line in _members(change)
    ]
    return [
        *_section(
            "Environment variables",
            "most are clients' or of absent features; read the release's comments on the others.",
            variables,
        ),
        *_section(
            "Flags of commands",
            "take a flag of `server`, or refuse it in words (REFUSED_FLAGS of both services).",
            flags,
        ),
    ]


def _info(changes: Iterable[Change], asked: Tandem) -> Lines:
    answered = asked.info()
    lines = [
        f"{_SIGN[change.what]} {change.name}  ["
        + ", ".join(
            f"{name}: {'answers it' if change.name in fields else 'does not answer it'}"
            for name, fields in answered.items()
        )
        + "]"
        for change in changes
        if change.kind == "info"
    ]
    return _section(
        "Fields of server-info",
        "answer them in shared/tandem_shared/http/server_info.py, unless their absence says it.",
        lines,
    )


def _flag_standing(change: Change, line: str) -> str:
    if change.name != "server":
        return ""
    flag = line.rpartition("  ")[2].partition(":")[0].partition("/")[0]
    told = [
        f"{name}: {'knows it' if flag in tandem.flags_of(name) else 'does not know it'}"
        for name in tandem.SERVICES
    ]
    return f"  [{', '.join(told)}]"


def _revisions(kept: Contract, release: Contract, changes: Iterable[Change]) -> Lines:
    known, ordered = kept.of("revision"), database.order(release.of("revision"))
    used = tandem.tables()
    lines = []
    for name in ordered:
        if name not in known:
            touched = [
                word for word in release.of("revision")[name] if not word.startswith("after=")
            ]
            lines.append(f"+ {name}  {' '.join(touched)}")
    gone = [f"- {name}" for name in known if name not in release.of("revision")]
    tables = [change for change in changes if change.kind == "table"]
    ours = [line for each in tables if each.name in used for line in _members(each)]
    others = [line for each in tables if each.name not in used for line in _members(each)]
    return [
        *_section(
            f"Revisions of the database (head {database.head(release.of('revision'))})",
            "add them to services/metadata/tandem_metadata/database; `?` is what only running a "
            "migration tells: read it.",
            [*lines, *gone],
        ),
        *_section(
            "Columns of tables that Tandem uses", "see whether every INSERT still works.", ours
        ),
        *_section("Tables and columns of others", "nothing, but for the new head.", others),
    ]


def _pages(
    kept: Contract, release: Contract, answers: Mapping[str, Answer], asked: Tandem
) -> Lines:
    own: dict[str, list[str]] = {}
    for key in answers:
        method, path = split(key)
        own.setdefault(_plain(path), []).append(method)
    unanswered, refused, foreign = [], [], []
    for page in sorted(release.of("page")):
        sign = " " if page in kept.of("page") else "+"
        methods = own.get(_plain(page))
        if not methods and any(path.startswith(f"{_plain(page)}/") for path in own):
            continue  # the beginning of paths; endpoints are compared above
        answer = asked.of_page(page, methods or ("GET", "POST"))
        if answer.standing in (Standing.IMPLEMENTED, Standing.EMPTY):
            continue
        if not methods:
            foreign.append(f"{sign} {page}")
        elif answer.standing is Standing.ABSENT:
            refused.append(f"{sign} {page}  [{answer.reason}]")
        else:
            unanswered.append(f"{sign} {page}")
    known = len([each for each in refused if each[0] != "+"])
    new_refused, new_foreign = ([e for e in each if e[0] == "+"] for each in (refused, foreign))
    gone = [f"- {page}" for page in sorted(kept.of("page")) if page not in release.of("page")]
    return [
        *_section(
            "Requests of the web UI that Tandem does not answer",
            "answer them, or emptily in ui_stubs.py, where a page loads them.",
            unanswered,
        ),
        *_section(
            f"New requests of the web UI that Tandem refuses, beside {known} known ones",
            "look where pages send them: one that is sent unasked shows a red message; answer it "
            "emptily in services/metadata/tandem_metadata/routes/ui_stubs.py.",
            new_refused,
        ),
        *_section(
            "New requests of the web UI that MLflow's own server has no endpoint for, beside "
            f"{len(foreign) - len(new_foreign)} known ones",
            "nothing, if they are Databricks' or of the app basic-auth.",
            new_foreign,
        ),
        *_section("Requests that the web UI no longer sends", "nothing.", gone),
    ]


def _plain(path: str) -> str:
    return _PARAMETER.sub("{}", path.replace("/ajax-api/", "/api/", 1))


def _unread(release: Contract) -> Lines:
    places = [f"{place}  {' '.join(words)}" for place, words in release.of("unread").items()]
    return _section(
        "Places that were not understood", "look at them, or mend what reads them.", places
    )
