"""Every route has a rule, and docs/security.md shows it."""

from tests import route_rules


def test_security_page_shows_the_rule_of_every_route() -> None:
    page = route_rules.PAGE.read_text()
    assert page == route_rules.written(page, route_rules.tables()), (
        "the tables of docs/security.md are not those of the routes: "
        "python -m tests.route_rules writes them"
    )
