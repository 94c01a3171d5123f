"""The chart's accounts: what pods are told, who reaches whom, and what operators are told."""

import json
from typing import Any

import pytest

import tandem_artifacts.settings
import tandem_metadata.settings
from tandem_shared.settings import load
from tests.kubernetes import chart, tools
from tests.kubernetes.policies import Host, Peer, Pod, allows, pod_of
from tests.kubernetes.schemas import check, check_restricted
from tests.kubernetes.schemas import pod_of as template_of
from tests.kubernetes.test_chart_matrix import parser
from tests.kubernetes.test_chart_notes import notes
from tests.kubernetes.tools import CHART, Object

MODES = ("basic", "oidc", "proxy")
EXAMPLES = sorted(
    path.name.removesuffix("-values.yaml") for path in (CHART / "examples").glob("auth-*.yaml")
)
SECRETS = {
    "MLFLOW_BACKEND_STORE_URI": "postgresql://u:p@db/mlflow",
    "TANDEM_AUTH_DATABASE_URI": "postgresql://u:p@db/accounts",
    "MLFLOW_AUTH_ADMIN_PASSWORD": "a password of an admin",
    "TANDEM_OIDC_CLIENT_SECRET": "a client's secret",
}
"""What the Secrets that pods refer to may hold."""

ADMIN = ("auth.mode=basic", "auth.admin.existingSecret=tandem-admin")

every_mode = pytest.mark.parametrize("mode", MODES)


def environ(container: Object) -> dict[str, str]:
    """A container's variables, those of Secrets too."""
    return {
        each["name"]: each["value"] if "value" in each else SECRETS[each["name"]]
        for each in container["env"]
    }


def of(objects: list[Object], name: str, kind: str = "Deployment") -> dict[str, str]:
    return environ(chart.container(chart.one(objects, kind, f"tandem-{name}")))


def settings(objects: list[Object], name: str) -> Any:
    """What the service makes of its variables; raises SettingsError as its start does."""
    kind = {"metadata": tandem_metadata.settings, "artifacts": tandem_artifacts.settings}[name]
    workload = chart.one(objects, "Deployment", f"tandem-{name}")
    given = vars(parser(kind.Settings).parse_args(chart.container(workload)["args"][1:]))
    return load(kind.Settings, of(objects, name), given)


@every_mode
def test_both_services_authenticate_and_take_their_variables(mode: str) -> None:
    objects = chart.render(f"auth-{mode}")
    metadata, artifacts = settings(objects, "metadata"), settings(objects, "artifacts")
    assert (metadata.auth, artifacts.auth) == (mode, "metadata")
    assert metadata.authenticates
    assert artifacts.authenticates
    service = chart.one(objects, "Service", "tandem-metadata")
    port = service["spec"]["ports"][0]["port"]
    assert artifacts.metadata_url == f"http://tandem-metadata:{port}{metadata.static_prefix or ''}"
    assert "NO_AUTH" not in json.dumps(objects)


def test_artifacts_ask_by_tls_where_pods_speak_it() -> None:
    sets = ("podTLS.enabled=true", "podTLS.clientAuth=required")
    secrets = (f"podTLS.{each}SecretName={each}-tls" for each in chart.COMPONENTS)
    objects = chart.render("minimal", *ADMIN, *sets, *secrets)
    found = settings(objects, "artifacts")
    assert found.metadata_url == "https://tandem-metadata:5000"
    assert (found.metadata_ca, found.metadata_cert, found.metadata_key) == (
        found.tls_client_ca,
        found.tls_cert,
        found.tls_key,
    )


def test_without_accounts_pods_say_that_they_authenticate_nobody() -> None:
    objects = chart.render("minimal")
    for name in chart.COMPONENTS:
        found = settings(objects, name)
        assert (found.auth, found.insecure_no_auth, found.audit_log) == ("none", True, None)
    assert "TANDEM_AUTH" not in of(objects, "migrate", "Job")


def test_single_sign_on_is_as_the_values_say() -> None:
    found = settings(chart.render("auth-oidc"), "metadata")
    assert found.public_url == "https://mlflow.example.com/mlflow"
    assert found.oidc_issuer == "https://keycloak.example.com/realms/team"
    assert found.oidc_client_secret == SECRETS["TANDEM_OIDC_CLIENT_SECRET"]
    assert found.oidc_group_roles == ("/fraud=fraud-team", "/research=researchers")
    assert found.oidc_admin_groups == ("/mlops",)
    assert found.oidc_audiences == ("pipelines",)
    assert (found.oidc_session_seconds, found.oidc_refresh_seconds) == (28800, 300)
    assert found.auth_admin_password is None, "the provider's groups make administrators"


def test_proxy_is_as_the_values_say() -> None:
    found = settings(chart.render("auth-proxy"), "metadata")
    assert found.auth_proxy_header == "X-Auth-Request-User"
    assert found.auth_trusted_proxies == ("10.244.7.0/24",)


PROXIED = ("auth-proxy", "auth.proxy.artifacts=true")
CERTIFIED = ("auth.proxy.certificateHeader=X-Cert", "auth.proxy.header=", "auth.certificateUser=cn")
MUTUAL = (
    "podTLS.enabled=true",
    "podTLS.clientAuth=optional",
    *(f"podTLS.{each}SecretName={each}-tls" for each in chart.COMPONENTS),
)
ARTIFACTS_NAME = "tandem-artifacts.tandem.svc"


def test_artifacts_believe_the_proxy_where_the_values_say_so() -> None:
    asking = settings(chart.render("auth-proxy"), "artifacts")
    assert (asking.auth_proxy_header, asking.auth_trusted_proxies) == (None, None)
    objects = chart.render(*PROXIED)
    metadata, artifacts = settings(objects, "metadata"), settings(objects, "artifacts")
    assert artifacts.auth_proxy_header == metadata.auth_proxy_header == "X-Auth-Request-User"
    assert artifacts.auth_trusted_proxies == metadata.auth_trusted_proxies
    assert metadata.auth_artifacts_certificates is None
    assert "hold the addresses of the artifacts pods too" in notes(*PROXIED)


def test_certificates_that_a_proxy_passes_on_are_as_the_values_say() -> None:
    objects = chart.render(*PROXIED, *CERTIFIED)
    for name in chart.COMPONENTS:
        found = settings(objects, name)
        assert (found.auth_proxy_header, found.auth_certificate_header) == (None, "X-Cert")
    assert settings(objects, "metadata").auth_certificate_user == "cn"
    assert not settings(objects, "artifacts").auth_certificates


@pytest.mark.parametrize("sets", [PROXIED[1:], (*PROXIED[1:], *CERTIFIED)])
def test_artifacts_prove_themselves_to_metadata_where_pods_have_certificates(
    sets: tuple[str, ...],
) -> None:
    objects = chart.render("auth-proxy", *sets, *MUTUAL)
    assert settings(objects, "metadata").auth_artifacts_certificates == (ARTIFACTS_NAME,)
    assert "addresses of the artifacts pods" not in notes("auth-proxy", *sets, *MUTUAL)
    issuing = ("podTLS.metadataSecretName=", "podTLS.artifactsSecretName=")
    issued = chart.render("auth-proxy", *sets, *MUTUAL, *issuing, "podTLS.certManager.issuer=ca")
    names = chart.one(issued, "Certificate", "tandem-artifacts-pod-tls")["spec"]["dnsNames"]
    assert ARTIFACTS_NAME in names


def test_users_come_to_the_pods_with_certificates() -> None:
    objects = chart.render("minimal", *ADMIN, *MUTUAL, "auth.certificateUser=san-uri")
    metadata, artifacts = settings(objects, "metadata"), settings(objects, "artifacts")
    assert metadata.auth_certificate_user == "san-uri"
    assert metadata.auth_artifacts_certificates == (ARTIFACTS_NAME,)
    assert artifacts.auth_certificates
    assert artifacts.metadata_url.startswith("https://")


def test_the_audit_log_is_on_with_accounts_unless_told() -> None:
    for name in chart.COMPONENTS:
        assert of(chart.render("auth-basic"), name)["TANDEM_AUDIT_LOG"] == "-"
        assert "TANDEM_AUDIT_LOG" not in of(chart.render("auth-oidc"), name)
        assert of(chart.render("minimal", "auth.auditLog=-"), name)["TANDEM_AUDIT_LOG"] == "-"


def _secret(container: Object, variable: str) -> tuple[str, str]:
    (found,) = [each for each in container["env"] if each["name"] == variable]
    key = found["valueFrom"]["secretKeyRef"]
    return key["name"], key["key"]


def test_the_migration_makes_the_tables_by_the_role_that_owns_them() -> None:
    objects = chart.render("auth-basic")
    job = chart.container(chart.one(objects, "Job", "tandem-migrate"))
    pods = chart.container(chart.one(objects, "Deployment", "tandem-metadata"))
    assert environ(job)["TANDEM_AUTH"] == "basic"
    variable = "TANDEM_AUTH_DATABASE_URI"
    assert _secret(job, variable) == ("tandem-accounts-owner", "uri")
    assert _secret(pods, variable) == ("tandem-accounts", "uri")


@every_mode
def test_the_migration_has_no_password_of_users(mode: str) -> None:
    for job in chart.of_kind(chart.render(f"auth-{mode}"), "Job").values():
        assert not {"MLFLOW_AUTH_ADMIN_PASSWORD", "TANDEM_OIDC_CLIENT_SECRET"} & {
            each["name"] for each in chart.container(job)["env"]
        }


def test_generated_secrets_hold_what_their_pods_take() -> None:
    sets = ("auth.mode=basic", "auth.admin.password=at-least-twelve")
    objects = chart.render("minimal", *sets, "auth.database.uri=postgresql://u:p@h/a")
    pods = chart.container(chart.one(objects, "Deployment", "tandem-metadata"))
    job = chart.container(chart.one(objects, "Job", "tandem-migrate"))
    secrets = chart.of_kind(objects, "Secret")
    for container, variable in (
        (pods, "MLFLOW_AUTH_ADMIN_PASSWORD"),
        (pods, "TANDEM_AUTH_DATABASE_URI"),
        (job, "TANDEM_AUTH_DATABASE_URI"),
    ):
        name, key = _secret(container, variable)
        assert secrets[name]["data"][key], variable
    hook = secrets[_secret(job, "TANDEM_AUTH_DATABASE_URI")[0]]["metadata"]["annotations"]
    assert int(hook["helm.sh/hook-weight"]) < 0, "before the Job"


@pytest.mark.parametrize("mode", ["basic", "oidc"])
def test_artifacts_ask_metadata_and_metadata_alone_the_provider(mode: str) -> None:
    objects = chart.render(f"auth-{mode}")
    policies = chart.standing_policies(objects)
    pods = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: pod_of(each)
        for each in objects
        if each["kind"] in ("Deployment", "Job")
    }
    metadata, artifacts = pods["metadata"], pods["artifacts"]
    assert allows(policies, artifacts, metadata, 5000)
    assert allows(policies, metadata, artifacts, 5500)
    assert not allows(policies, pods["migration"], metadata, 5000)
    assert not allows(policies, Pod("tandem", {"app": "notebook"}), metadata, 5000)
    database: Peer = Host("10.0.5.10")
    assert not allows(policies, artifacts, database, 5432)
    provider = Pod("keycloak", {"app": "keycloak"})
    assert allows(policies, metadata, provider, 8443) == (mode == "oidc")
    assert not allows(policies, artifacts, provider, 8443)
    assert not allows(policies, pods["migration"], provider, 8443)


def test_notes_say_how_to_come_in() -> None:
    basic = notes("auth-basic")
    assert "a password or a token (auth.mode basic)" in basic
    assert 'get secret tandem-admin -o go-template=\'{{ index .data "password"' in basic
    assert "https://mlflow.example.com/mlflow/oidc/callback" in notes("auth-oidc")
    proxy = notes("auth-proxy")
    assert "can call metadata as anyone" in proxy
    assert "part of Helm's release" in proxy
    for said in (basic, proxy):
        assert "authenticates nobody" not in said
        assert "NodePort" not in said


def _test_pod(name: str, *sets: str) -> dict[str, str]:
    pod = chart.one(chart.render(name, *sets), "Pod", "tandem-test")
    return {
        each["name"]: each.get("value", "of a Secret")
        for each in pod["spec"]["containers"][0]["env"]
    }


def test_helm_test_comes_as_the_first_administrator() -> None:
    basic = _test_pod("auth-basic")
    assert basic["MLFLOW_TRACKING_USERNAME"] == "admin"
    assert basic["MLFLOW_TRACKING_PASSWORD"] == "of a Secret"
    oidc = _test_pod("auth-oidc")
    assert oidc["AUTHENTICATES"] == "true"
    assert "MLFLOW_TRACKING_USERNAME" not in oidc
    assert "AUTHENTICATES" not in _test_pod("minimal")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_make_what_a_cluster_and_the_services_take(name: str) -> None:
    path = CHART / "examples" / f"{name}-values.yaml"
    objects = tools.render_chart(chart.values("production"), path)
    for each in objects:
        check(each)
        if pod := template_of(each):
            check_restricted(pod["spec"], pod["metadata"].get("annotations"))
    found = settings(objects, "metadata")
    assert found.authenticates
    assert found.auth_default_permission == "NO_PERMISSIONS"
    if found.auth == "oidc":
        callback = f"{found.public_url}/oidc/callback"
        assert callback in path.read_text().replace("\n# ", " ")


def test_the_header_of_the_proxy_comes_from_nobody_else() -> None:
    """Each way to metadata sets or removes it."""
    path = CHART / "examples" / "auth-github-oauth2-proxy-values.yaml"
    objects = tools.render_chart(chart.values("production"), path)
    header = settings(objects, "metadata").auth_proxy_header
    asks = chart.one(objects, "Middleware", "github")["spec"]["forwardAuth"]
    assert header in asks["authResponseHeaders"]
    ingress = chart.one(objects, "Ingress", "tandem-metadata")["metadata"]["annotations"]
    assert "tandem-github@kubernetescrd" in ingress.values()
    removes = chart.one(objects, "Middleware", "without-user")["spec"]["headers"]
    assert removes["customRequestHeaders"] == {header: ""}
    for route in chart.one(objects, "IngressRoute", "past-github")["spec"]["routes"]:
        if route["services"][0]["name"] == "tandem-metadata":
            assert route["middlewares"] == [{"name": "without-user"}]
