"""The UI's pages of accounts: an administrator makes a user and a role, and the user sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import layouts
from tests.browser.dialogs import dialog
from tests.browser.layouts import Layout
from tests.browser.tab import Tab, open_tab
from tests.system import services

ADMIN, USER = "admin", "ann"
PASSWORD = "correct horse battery"
OTHER = "another long password"


@pytest.fixture
def layout(browser: Browser, tmp_path: Path) -> Iterator[Layout]:
    """A metadata service alone, with accounts."""
    with services.metadata_service(
        tmp_path,
        f"sqlite:///{tmp_path / 'mlflow.db'}",
        "mlflow-artifacts://127.0.0.1:5500/",
        "--ui-dir",
        str(layouts.ui_folder()),
        "--auth",
        "basic",
        variables={"MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD},
    ) as metadata:
        yield Layout("accounts", metadata.url, metadata.url, metadata, metadata)


def test_administrator_makes_a_user_and_a_role_and_the_user_has_it(
    browser: Browser, layout: Layout
) -> None:
    with open_tab(browser, layout, "administrator", sign_in=(ADMIN, PASSWORD)) as tab:
        _make_user(tab)
        _make_role(tab)
        _assign(tab)
    with open_tab(browser, layout, "user", sign_in=(USER, PASSWORD)) as tab:
        page = tab.open("/account")
        main = page.get_by_role("main")
        expect(main.get_by_text("Logged in as ann")).to_be_visible()
        expect(main.get_by_text("fraud-team")).to_be_visible()
        tab.shot("account")
        _open_menu(tab)
        expect(tab.component("mlflow.sidebar.manage")).to_be_hidden()
        tab.page.keyboard.press("Escape")
        _change_password(tab)
    with open_tab(browser, layout, "user", sign_in=(USER, OTHER)) as tab:
        tab.open("/account")
        _open_menu(tab)
        tab.expect(401, "/users/current$", "logging out sends a name that nobody has")
        with tab.page.expect_response(lambda answer: answer.status == 401):
            tab.component("mlflow.sidebar.logout").click()
        tab.settle()


def test_administrator_makes_a_user_by_the_form(browser: Browser, layout: Layout) -> None:
    with open_tab(browser, layout, "signup", sign_in=(ADMIN, PASSWORD)) as tab:
        page = tab.page
        page.goto(f"{layout.url}/signup")
        tab.shot("signup")
        page.get_by_label("User name").fill("bob")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_text("The user 'bob' has been created.")).to_be_visible()
        page.get_by_role("link", name="Create another").click()
        page.get_by_label("User name").fill("bob")
        page.get_by_label("Password").fill(PASSWORD)
        tab.expect(400, "/create-ui$", "the name is taken")
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_role("alert")).to_contain_text("already exists")
        expect(page.get_by_label("User name")).to_have_value("bob")
    with open_tab(browser, layout, "signed-up", sign_in=("bob", PASSWORD)) as tab:
        page = tab.open("/account")
        expect(page.get_by_role("main").get_by_text("Logged in as bob")).to_be_visible()


def _open_menu(tab: Tab) -> None:
    tab.page.get_by_role("navigation").get_by_text(USER, exact=True).click()
    expect(tab.component("mlflow.sidebar.logout")).to_be_visible()


def _make_user(tab: Tab) -> None:
    page = tab.open("/admin")
    tab.component("admin.users.create_button").click()
    tab.component("admin.create_user_modal.username").fill(USER)
    tab.component("admin.create_user_modal.password").fill(PASSWORD)
    tab.component("admin.create_user_modal.submit").click()
    expect(page.get_by_role("main").get_by_text(USER, exact=True)).to_be_visible()
    tab.shot("users")


def _make_role(tab: Tab) -> None:
    page = tab.page
    page.get_by_role("tab", name="Roles").click()
    tab.component("admin.roles.create_button").click()
    form = dialog(page, "Create Role")
    tab.component("admin.create_role_modal.name").fill("fraud-team")
    form.get_by_role("button", name="Permissions").click()
    form.get_by_text("All experiments").click()
    tab.component("admin.role_permission_form.permission_level").click()
    page.get_by_role("option", name="EDIT").click()
    tab.component("admin.role_permissions.add").click()
    tab.component("admin.create_role_modal.submit").click()
    expect(page.get_by_role("main").get_by_text("fraud-team")).to_be_visible()
    tab.shot("roles")


def _assign(tab: Tab) -> None:
    page = tab.open(f"/admin/users/{USER}")
    tab.component("admin.user_detail.edit_access_button").click()
    tab.component("admin.role_assignment.roles").first.click()
    page.get_by_role("option", name="fraud-team").click()
    page.keyboard.press("Escape")
    tab.component("admin.edit_access_modal.review").click()
    tab.component("admin.edit_access_modal.confirm").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("main").get_by_text("fraud-team")).to_be_visible()
    tab.shot("user")


def _change_password(tab: Tab) -> None:
    tab.component("account.change_password_button").click()
    for field, text in (
        ("current_password", PASSWORD),
        ("new_password", OTHER),
        ("confirm_password", OTHER),
    ):
        tab.component(f"account.{field}").fill(text)
    tab.expect(401, "", "the browser asks with the old password until it is told the new one")
    with tab.page.expect_response(lambda answer: "update-password" in answer.url) as answered:
        tab.component("account.change_password_modal.footer.ok").click()
    assert answered.value.status == 200
