import pytest
from starlette.types import Scope

from tandem_shared.security import own_page
from tandem_shared.security.own_page import OwnPage


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "http://localhost:5000"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost:5000"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-origin, cross-site"}, False),
        ({"origin": "http://localhost:5000"}, True),
        ({"origin": "https://LOCALHOST:5000"}, True),
        ({"origin": "http://localhost:5001"}, False),
        ({"origin": "http://localhost"}, False),
        ({"origin": "http://localhost:5000.evil.example.com"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_page_is_the_service_s_own_if_the_browser_says_so(
    headers: dict[str, str], own: bool
) -> None:
    for named in ((), ("*",), ("https://named.example.com",)):
        assert OwnPage(named).is_sender(_scope(headers), programs=False) is own
        assert OwnPage(named).is_sender(_scope(headers), programs=True) is (own or not headers)


def _scope(headers: dict[str, str]) -> Scope:
    given = {"host": "localhost:5000", **headers}
    return {
        "type": "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }


@pytest.mark.parametrize("site", ["", "same-site", "cross-site"])
def test_page_that_the_operator_has_named_counts_as_one(site: str) -> None:
    pages = OwnPage(("https://*.example.com",))
    for origin, named in (("https://ui.example.com", True), ("https://example.com.evil", False)):
        headers = {"origin": origin, **({"sec-fetch-site": site} if site else {})}
        assert pages.is_sender(_scope(headers), programs=True) is named


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://mlflow.example.com", "mlflow.example.com", True),
        ("https://mlflow.example.com", "mlflow.example.com:443", True),
        ("https://mlflow.example.com", "mlflow.example.com:80", False),
        ("http://[::1]:5000", "[::1]:5000", True),
        ("http://mlflow.example.com", "", False),
        ("", "", False),
    ],
)
def test_origin_and_host_are_compared_with_default_ports(
    origin: str, host: str, same: bool
) -> None:
    assert own_page.is_same_host(origin, host) is same
