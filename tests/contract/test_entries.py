import pytest

from tests.contract.entries import Change, Contract, compare, read, write

KEPT = Contract(
    "1.0.0",
    {
        "endpoint": {"GET=/api/2.0/mlflow/a": ("mlflow.A", "mlflow.A.Response"), "GET=/b": ()},
        "message": {"mlflow.A": ("x:string", "y:int64")},
    },
)


def test_a_text_of_a_contract_reads_back() -> None:
    assert read(write(KEPT)) == KEPT


def test_a_text_has_one_entry_a_line_sorted() -> None:
    lines = [line for line in write(KEPT).splitlines() if line and not line.startswith("#")]
    assert lines == [
        "mlflow 1.0.0",
        "endpoint GET=/api/2.0/mlflow/a mlflow.A mlflow.A.Response",
        "endpoint GET=/b",
        "message mlflow.A x:string y:int64",
    ]


@pytest.mark.parametrize("text", ["", "endpoint GET=/a\n", "mlflow 1.0.0\nnonsense x\n"])
def test_a_text_that_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="contract"):
        read(text)


def test_changes_are_new_gone_and_changed_members() -> None:
    other = Contract(
        "1.1.0",
        {
            "endpoint": {"GET=/api/2.0/mlflow/a": ("mlflow.A", "mlflow.A.Response"), "PUT=/c": ()},
            "message": {"mlflow.A": ("y:int64", "x:int32", "z:bool")},
        },
    )
    assert compare(KEPT, other) == [
        Change("endpoint", "GET=/b", "gone", (), ()),
        Change("endpoint", "PUT=/c", "new", (), ()),
        Change("message", "mlflow.A", "changed", ("x:int32", "z:bool"), ("x:string",)),
    ]
    assert compare(other, other) == []
