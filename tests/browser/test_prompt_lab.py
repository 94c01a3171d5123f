"""The prompt lab: runs that it creates, and tables that it writes.

A language model answers in the lab, by a gateway, which Tandem has not. The tests answer in the
gateway's place; all else is the UI's and the services'.
"""

from typing import Any

import mlflow
from mlflow import MlflowClient
from playwright.sync_api import Route, expect

from tests.browser.content import Content
from tests.browser.tab import Tab

_ENDPOINT = {
    "name": "chat",
    "endpoint_type": "llm/v1/chat",
    "endpoint_url": "/gateway/chat/invocations",
    "model": {"name": "m", "provider": "openai"},
}
_ADD_ROW = "[data-component-id$='evaluationtableactionscellrenderer.tsx_37']"


def _answer_as_gateway(route: Route) -> None:
    if route.request.method == "GET":
        route.fulfill(json={"endpoints": [_ENDPOINT]})
        return
    prompt = route.request.post_data_json["json_data"]["messages"][0]["content"]
    message = {"role": "assistant", "content": f"{prompt}: hello ☃"}
    usage = {"total_tokens": 12, "prompt_tokens": 5, "completion_tokens": 7}
    route.fulfill(json={"choices": [{"message": message}], "usage": usage})


def _table(experiment: str, client: MlflowClient) -> dict[str, str]:
    """The outputs of the experiment's only run by their prompts."""
    [run] = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.runSourceType"] == "PROMPT_ENGINEERING"
    table: Any = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/eval_results_table.json")
    at = [table["columns"].index(name) for name in ("prompt", "output")]
    return {row[at[0]]: row[at[1]] for row in table["data"]}


def test_prompt_lab_creates_a_run_and_extends_its_table(
    tab: Tab, filled: Content, client: MlflowClient
) -> None:
    experiment = client.create_experiment("prompt lab")
    tab.page.route("**/gateway-proxy*", _answer_as_gateway)
    page = tab.open(f"/experiments/{experiment}/runs")
    page.get_by_role("button", name="New run").click()
    page.get_by_text("using Prompt Engineering").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").first.click()
    page.get_by_role("option", name="chat").first.click()
    dialog.locator("#prompt_template").fill("Greet {{ who }}")
    dialog.locator("#who").fill('Zoë "Q"')
    dialog.get_by_role("button", name="Evaluate").click()
    tab.shot("prompt-lab")
    dialog.get_by_role("button", name="Create run").click()
    main = page.get_by_role("main")
    expect(main.get_by_text('Greet Zoë "Q": hello ☃')).to_be_visible()
    assert _table(experiment, client) == {'Greet Zoë "Q"': 'Greet Zoë "Q": hello ☃'}

    main.locator(_ADD_ROW).first.click()
    dialog = page.get_by_role("dialog").last
    dialog.locator("textarea").last.fill("Änne")
    dialog.get_by_role("button", name="Submit").click()
    main.get_by_role("button", name="Evaluate all").first.click()
    expect(main.get_by_text("Greet Änne: hello ☃")).to_be_visible()
    with page.expect_response("**/upload-artifact*") as uploaded:
        main.get_by_role("button", name="Save").first.click()
    assert uploaded.value.status == 200
    expect(main.get_by_role("button", name="Save")).to_have_count(0)
    tab.shot("prompt-lab-table")
    assert _table(experiment, client) == {
        "Greet Änne": "Greet Änne: hello ☃",
        'Greet Zoë "Q"': 'Greet Zoë "Q": hello ☃',
    }
