"""Webhooks in the settings, with a receiver that gets what they send."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from mlflow import MlflowClient
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import layouts
from tests.browser.dialogs import confirm, dialog
from tests.browser.layouts import Layout
from tests.browser.tab import Tab, open_tab
from tests.receiver import Receiver, receiving
from tests.system import services

_SETTINGS = {
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def layout(browser: Browser, tmp_path: Path) -> Iterator[Layout]:
    """A metadata service alone that may send to this machine."""
    with services.metadata_service(
        tmp_path,
        f"sqlite:///{tmp_path / 'mlflow.db'}",
        "mlflow-artifacts://127.0.0.1:5500/",
        "--ui-dir",
        str(layouts.ui_folder()),
        variables=_SETTINGS,
    ) as metadata:
        yield Layout("webhooks", metadata.url, metadata.url, metadata, metadata)


@pytest.fixture
def tab(browser: Browser, layout: Layout, request: pytest.FixtureRequest) -> Iterator[Tab]:
    with open_tab(browser, layout, request.node.name) as opened:
        yield opened


def fill(form: Locator, name: str, url: str, *events: str, secret: str = "") -> None:
    form.get_by_label("Name *").fill(name)
    form.get_by_label("URL *").fill(url)
    if secret:
        form.get_by_label("Secret").fill(secret)
    for event in events:
        form.get_by_label(event, exact=True).check()


def create(page: Page) -> Locator:
    page.get_by_role("main").get_by_role("button", name="Create webhook").click()
    return dialog(page, "Create webhook")


def test_webhooks_are_made_tried_changed_and_deleted(
    tab: Tab, layout: Layout, receiver: Receiver
) -> None:
    page = tab.open("/settings/webhooks")
    main = page.get_by_role("main")
    expect(main.get_by_text("No webhooks configured.")).to_be_visible()
    form = create(page)
    fill(form, "chat", receiver.url + "/chat", "Registered model created", secret="s3cret")
    form.get_by_role("button", name="Create", exact=True).click()
    expect(form).to_be_hidden()
    expect(main.get_by_text("chat", exact=True)).to_be_visible()
    expect(main.get_by_text("Active", exact=True)).to_be_visible()
    tab.shot("webhooks")

    main.get_by_role("button", name="Test").click()
    expect(main.get_by_text("Test succeeded (HTTP 200)")).to_be_visible()
    assert receiver.wait("/chat")[0].is_signed_with("s3cret")

    client = MlflowClient(layout.url, layout.url)
    client.create_registered_model("told")
    assert receiver.wait("/chat", 2)[1].event["data"]["name"] == "told"

    main.get_by_role("button", name="Edit").click()
    form = dialog(page, "Edit webhook")
    fill(form, "chat-room", receiver.url + "/room", "Model version created")
    form.get_by_label("Active").click()
    form.get_by_role("button", name="Save", exact=True).click()
    expect(form).to_be_hidden()
    expect(main.get_by_text("chat-room")).to_be_visible()
    expect(main.get_by_text("Disabled", exact=True)).to_be_visible()
    expect(main.get_by_text("Model version created")).to_be_visible()

    main.get_by_role("button", name="Delete").click()
    confirm(page, "Delete webhook")
    expect(main.get_by_text("No webhooks configured.")).to_be_visible()


def test_a_receiver_that_refuses_and_a_url_that_is_refused(tab: Tab, receiver: Receiver) -> None:
    page = tab.open("/settings/webhooks")
    main = page.get_by_role("main")
    receiver.answer("/closed", 503)
    form = create(page)
    fill(form, "closed", receiver.url + "/closed", "Prompt created")
    form.get_by_role("button", name="Create", exact=True).click()
    expect(form).to_be_hidden()
    main.get_by_role("button", name="Test").click()
    expect(main.get_by_text("Test failed")).to_be_visible()
    assert len(receiver.at("/closed")) == 1

    tab.expect(400, "/webhooks$", "the URL is none that webhooks may have")
    form = create(page)
    fill(form, "wrong", "ftp://example.com/", "Prompt created")
    form.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("must begin with")).to_be_visible()
    tab.shot("webhook-refused")
