"""`--artifact-root-map`: roots that clients write to directly, mapped to an artifacts service."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.settings import Settings
from tandem_shared.errors import InvalidParameter
from tandem_shared.settings import SettingsError, load

HOST = "mlflow-artifacts://artifacts.example.com"
FILES = "http://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts"


def roots(*pairs: str, **settings: object) -> Roots:
    given = {"default_artifact_root": HOST, "artifact_root_map": pairs, **settings}
    return Roots(Settings(**given))


@pytest.mark.parametrize(
    ("pair", "uri", "path"),
    [
        (f"s3://bucket/prefix={HOST}/", "s3://bucket/prefix/1/r/artifacts", "1/r/artifacts/f"),
        (f"s3://bucket/prefix/={HOST}/", "s3://bucket/prefix", "f"),
        (f"s3://bucket/prefix={HOST}/old", "s3://bucket/prefix/1", "old/1/f"),
        (f"s3://bucket={HOST}/", "s3://bucket/prefix/1/", "prefix/1/f"),
        (f"S3://bucket={HOST}/", "s3://bucket/1", "1/f"),
        ("s3://bucket/a=b=mlflow-artifacts:/", "s3://bucket/a=b/1", "1/f"),
        (f"gs://bucket={HOST}/g", "gs://bucket/1", "g/1/f"),
        (f"wasbs://c@account.example.com/p={HOST}", "wasbs://c@account.example.com/p/1", "1/f"),
        (f"hdfs://name:8020/ml={HOST}", "hdfs://name:8020/ml/1", "1/f"),
        (f"dbfs:/ml={HOST}", "dbfs:/ml/1", "1/f"),
        (f"file:///mnt/mlruns={HOST}", "file:///mnt/mlruns/1", "1/f"),
        (f"file:///mnt/mlruns={HOST}", "/mnt/mlruns/1", "1/f"),
        (f"/mnt/mlruns={HOST}", "file:///mnt/mlruns/1", "1/f"),
        (f"/mnt/mlruns={HOST}", "file://localhost/mnt/mlruns/1", "1/f"),
        (f"/mnt/mlruns={HOST}", "file:/mnt/mlruns/1", "1/f"),
        (f"/={HOST}", "/mnt/1", "mnt/1/f"),
        # Clients percent-decode file URIs, but not the keys of a bucket.
        (f"/mnt/my runs={HOST}", "file:///mnt/my%20runs/1", "1/f"),
        (f"/mnt/100%25={HOST}", "/mnt/100%25/1", "1/f"),
        (f"s3://bucket={HOST}", "s3://bucket/my%20runs/a+b", "my%2520runs/a%2Bb/f"),
    ],
)
def test_a_uri_below_a_mapped_root_is_found_below_its_target(
    pair: str, uri: str, path: str
) -> None:
    assert roots(pair).locate(uri).url("f") == f"{FILES}/{path}"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/prefixed/1",
        "s3://bucket/Prefix/1",
        "s3://bucket/other/prefix",
        "s3://bucket//prefix/1",
        "s3://bucket/pre%66ix/1",
        "s3://bucket",
        "s3://other/prefix/1",
        "s3://Bucket/prefix/1",
        "s3://user@bucket/prefix/1",
        "s3://bucket:80/prefix/1",
        "s3://bucket.evil.example.com/prefix/1",
        "s3://bucket/prefix/1?versionId=2",
        "s3://bucket/prefix/1#x",
        "s3a://bucket/prefix/1",
        "gs://bucket/prefix/1",
        "file://bucket/prefix/1",
        "file://host/mnt/mlruns/1",
        "file:mnt/mlruns/1",
        "/mnt/mlruns2",
        "//mnt/mlruns/1",
        "mnt/mlruns/1",
        "C:/mnt/mlruns/1",
        "C:\\mnt\\mlruns\\1",
        "runs:/0/mnt",
        "",
    ],
)
def test_a_uri_outside_every_mapped_root_is_refused(uri: str) -> None:
    mapped = roots(f"s3://bucket/prefix={HOST}/", f"/mnt/mlruns={HOST}/m")
    with pytest.raises(InvalidParameter, match="--artifact-root-map"):
        mapped.locate(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/prefix/../other",
        "s3://bucket/prefix/..",
        "s3://bucket/prefix/./1",
        "s3://bucket/prefix//1",
        "s3://bucket/prefix/%2e%2e/other",
        "s3://bucket/prefix/%252e%252e/other",
        "s3://bucket/prefix/a%2f..%2f..%2fother",
        "s3://bucket/prefix/..%5cother",
        "file:///mnt/mlruns/%2e%2e/other",
        "file:///mnt/mlruns/a%2F..%2F../other",
        "/mnt/mlruns/../../etc",
        "/mnt/mlruns/a\\..\\b",
    ],
)
def test_a_uri_cannot_leave_its_mapped_root(uri: str) -> None:
    mapped = roots(f"s3://bucket/prefix={HOST}/", f"/mnt/mlruns={HOST}/m")
    with pytest.raises(InvalidParameter, match="path"):
        mapped.locate(uri)


@given(st.text("./%25efEF\\ab", max_size=20))
def test_any_text_after_a_mapped_root_stays_below_its_target(rest: str) -> None:
    mapped = roots(f"s3://bucket/a={HOST}/kept")
    try:
        url = mapped.locate(f"s3://bucket/a{rest}").url("f")
    except InvalidParameter:
        return
    assert url.startswith(f"{FILES}/kept/")
    names = url.removeprefix(f"{FILES}/").split("/")
    assert not {"", ".", "..", "%2E%2E", "%2e%2e"} & set(names)


def test_the_longest_mapped_root_counts() -> None:
    mapped = roots(f"s3://b={HOST}/all", f"s3://b/team/x={HOST}/x", f"s3://b/team={HOST}/team")
    assert mapped.locate("s3://b/team/x/1").root == "x/1"
    assert mapped.locate("s3://b/team/y/1").root == "team/y/1"
    assert mapped.locate("s3://b/teams").root == "all/teams"


def test_a_mapped_root_may_lead_to_another_allowed_service() -> None:
    other = "mlflow-artifacts://old.example.com:5500"
    mapped = roots(
        f"s3://b={other}/", artifact_hosts=("artifacts.example.com", "old.example.com:5500")
    )
    assert mapped.locate("s3://b/1").base.startswith("http://old.example.com:5500/api/")


@pytest.mark.parametrize(
    "pair",
    [
        "s3://bucket/prefix",
        f"={HOST}/",
        "s3://bucket=",
        "s3://bucket=s3://other",
        "s3://bucket=/mnt",
        "s3://bucket=mlflow-artifacts://evil.example.com/",
        "s3://bucket=http://artifacts.example.com/other",
        f"s3://bucket/a/../b={HOST}",
        f"s3://bucket/%2e%2e/b={HOST}",
        f"relative/path={HOST}",
        f"file:relative={HOST}",
        f"file://host/path={HOST}",
        f"s3://bucket?x=y={HOST}",
        f"s3://[={HOST}",
        f"mlflow-artifacts://old.example.com/={HOST}",
        f"https://old.example.com/={HOST}",
    ],
)
def test_root_map_pairs_that_cannot_work_are_refused_at_the_start(pair: str) -> None:
    with pytest.raises(SettingsError, match="--artifact-root-map"):
        roots(pair)


def test_a_root_mapped_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="twice"):
        roots(f"/mnt/mlruns={HOST}/a", f"file:///mnt/mlruns/={HOST}/b")


def test_the_root_maps_variable_holds_several_pairs() -> None:
    pairs = f"s3://bucket={HOST}/a, /mnt={HOST}/b"
    settings = load(
        Settings, {"TANDEM_ARTIFACT_ROOT_MAP": pairs, "MLFLOW_DEFAULT_ARTIFACT_ROOT": HOST}
    )
    assert Roots(settings).locate("/mnt/1").root == "b/1"
