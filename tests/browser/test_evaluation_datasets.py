"""What people change and delete of evaluation datasets."""

from typing import Any, Final

import mlflow
from mlflow import MlflowClient
from mlflow.genai import datasets
from playwright.sync_api import expect

from tests.browser.dialogs import confirm
from tests.browser.tab import Tab

_UI: Final = "mlflow.eval-datasets-v2"
_QUESTIONS: Final = ("first", "second", "third", "fourth")


def _record(question: str) -> dict[str, Any]:
    expectations = {"expected_response": question.upper(), "length": len(question)}
    return {"inputs": {"question": question}, "expectations": expectations, "tags": {"lang": "en"}}


def _type(tab: Tab, editor: int, text: str) -> None:
    """Replace what is in one of the panel's editors, which close brackets and quotes themselves."""
    tab.page.locator(".monaco-editor").nth(editor).click()
    for key in ("Control+A", text, "Control+Shift+End", "Delete"):
        if key == text:
            tab.page.keyboard.insert_text(text)
        else:
            tab.page.keyboard.press(key)


def _tag(tab: Tab, key: str, value: str) -> None:
    tab.component(f"{_UI}.records.tag.add").click()
    tab.component("mlflow.eval-datasets.tag-key-input").fill(key)
    tab.component("mlflow.eval-datasets.tag-value-input").fill(value)
    with tab.page.expect_response("**/records"):
        tab.component("mlflow.eval-datasets.key-value-tag-modal-save").click()


def test_people_edit_and_delete_records_and_datasets(tab: Tab, client: MlflowClient) -> None:
    experiment_id = client.create_experiment("datasets")
    mlflow.set_experiment(experiment_id=experiment_id)
    made = datasets.create_dataset(name="questions", experiment_id=experiment_id)
    made.merge_records([_record(each) for each in _QUESTIONS])
    datasets.create_dataset(name="mistaken", experiment_id=experiment_id)

    page = tab.open(f"/experiments/{experiment_id}/datasets?workflowType=genai")
    main = page.get_by_role("main")
    row = main.get_by_role("row").filter(has_text="questions")
    expect(row.get_by_text("ago")).to_have_count(2)  # last updated, and created
    tab.rest()
    tab.shot("datasets-of-two")
    mistaken = main.get_by_role("row").filter(has_text="mistaken")
    mistaken.hover()
    mistaken.get_by_role("button").click()
    page.get_by_role("menuitem", name="Delete").click()
    confirm(page, "Delete dataset")
    expect(mistaken).to_have_count(0)

    row.get_by_role("link").click()
    main.get_by_text('{"question":"first"}').click()
    with page.expect_response("**/records"):
        tab.component(f"{_UI}.records.tag.pill.close").first.click()
    _tag(tab, "level", "high")
    _type(tab, 0, '{"question": "what?"}')
    _type(tab, 1, '{"expected_response": "é"}')
    tab.component(f"{_UI}.drawer.save").click()
    expect(main.get_by_text("All changes saved")).to_be_visible()
    tab.rest()
    tab.shot("dataset-record-edited")
    tab.component(f"{_UI}.side-panel.close").click()
    for question in ("second", "third"):
        main.get_by_role("row").filter(has_text=f'"{question}"').get_by_role("checkbox").check()
    main.get_by_role("button", name="Delete (2)").click()
    confirm(page, "Delete records")
    expect(main.get_by_text("2 records", exact=True)).to_be_visible()

    page.reload()
    expect(main.get_by_text("2 records", exact=True)).to_be_visible()
    for text in ('{"question":"what?"}', '{"expected_response":"é"}'):
        expect(main.get_by_text(text).first).to_be_visible()
    tab.rest()
    tab.shot("dataset-records-left")
    frame = datasets.get_dataset(dataset_id=made.dataset_id).to_df()
    found = {each["inputs"]["question"]: each for each in frame.to_dict("records")}
    assert found.keys() == {"what?", "fourth"}
    assert found["what?"]["expectations"] == {"expected_response": "é"}
    assert found["what?"]["tags"].keys() == {"level", "mlflow.user"}
    assert found["fourth"]["expectations"] == _record("fourth")["expectations"]

    tab.component(f"{_UI}.detail.actions").click()
    page.get_by_role("menuitem", name="Delete dataset").click()
    confirm(page, "Delete dataset")
    expect(main.get_by_text("Create an evaluation dataset")).to_be_visible()
    tab.rest()
    assert not datasets.search_datasets(experiment_ids=experiment_id)
