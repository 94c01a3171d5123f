"""Transfers that cannot even begin."""

from tandem_shared.doctor.findings import Check, examine
from tandem_shared.doctor.transfers import round_trip
from tandem_shared.doctor.web import Site
from tests.harness.processes import free_port


def test_nothing_is_to_be_deleted_where_nobody_listens() -> None:
    site = Site(f"http://127.0.0.1:{free_port()}", "--url", seconds=5)
    check = Check(
        "transfers",
        lambda: round_trip(site, known=False, store=lambda _: None, seconds=5),
    )
    (result,) = examine([check], 20)
    (failed,) = result.findings
    assert "nobody listens" in failed.said
    assert failed.cure == "Start the service, or correct the address."
