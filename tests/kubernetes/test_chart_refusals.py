"""What the chart refuses: combinations that would lose, expose or never do something.

Each refusal names the value, so that who reads it knows what to change.
"""

import json
import re
from functools import cache

import pytest

from tests.kubernetes import api_server, malformed_values, tools

SQLITE = "metadata.persistence.enabled=true database.existingSecret= database.type=sqlite"
DISK = "artifacts.persistence.enabled=true objectStore.destination=/var/lib/tandem/a"
ONE_EACH = "metadata.replicas=1 artifacts.replicas=1"
INGRESS = "ingress.enabled=true"
TLS = f"{INGRESS} ingress.tls.enabled=true"
HPA, KEDA = "autoscaling.enabled=true", "artifacts.keda.enabled=true"
PROMETHEUS = "artifacts.keda.serverAddress=http://prometheus"
POLICY = (
    "networkPolicy.enabled=true networkPolicy.database.peers[0].ipBlock.cidr=10.0.5.0/24 "
    "networkPolicy.objectStore.peers[0].ipBlock.cidr=192.0.2.0/24 "
    "networkPolicy.ingressFrom[0].podSelector.matchLabels.app=proxy"
)
FILTER = "httpRoute.filters[0]"
IAM, ENCRYPTED = (
    "database.existingSecret= database.auth=aws-iam",
    "database.parameters=sslmode=verify-full",
)
IDENTITY = "networkPolicy.identity.peers[0].ipBlock.cidr"
POD_TLS = "podTLS.enabled=true podTLS.certManager.issuer=pods"
ANYWHERE = "networkPolicy.objectStore.peers[0].ipBlock.cidr=0.0.0.0/0"
AUTH = "insecureNoAuth=false auth.mode=basic auth.admin.existingSecret=root"
OIDC = (
    "insecureNoAuth=false auth.mode=oidc auth.admin.existingSecret=root "
    "auth.oidc.issuer=https://idp auth.oidc.clientId=tandem"
)
PROXY = "insecureNoAuth=false auth.mode=proxy auth.admin.existingSecret=root"
PROXIES = f"{PROXY} auth.proxy.trustedProxies[0]=10.0.0.1"


def _object(kind: str, version: str) -> str:
    return f"extraObjects[0].kind={kind} extraObjects[0].apiVersion={version}"


REFUSED = {
    # TLS of the pods
    "podTLS.certManager.issuer=pods": "podTLS.certManager is set, but podTLS.enabled is false",
    "podTLS.clientAuth=required": "podTLS.clientAuth is set, but podTLS.enabled is false",
    "podTLS.enabled=true": "podTLS.enabled is true, but nobody makes the certificates",
    "podTLS.enabled=true podTLS.metadataSecretName=a": "but nobody makes the certificates",
    f"{POD_TLS} podTLS.certManager.clusterIssuer=a": "clusterIssuer and podTLS.certManager.issuer",
    f"{POD_TLS} podTLS.metadataSecretName=a podTLS.artifactsSecretName=a": "are both a: give each",
    f"{POD_TLS} httpRoute.enabled=true httpRoute.parentRefs[0].name=a": (
        "podTLS.caConfigMap is empty, but httpRoute.enabled is true"
    ),
    f"{POD_TLS} podTLS.clientAuth=required {INGRESS} ingress.controller=f5-nginx": (
        "podTLS.clientAuth is required, but ingress.controller is f5-nginx"
    ),
    f"{POD_TLS} podTLS.caConfigMap=a": "podTLS.caConfigMap is set, but httpRoute.enabled is false",
    "metadata.extraArgs[0]=--tls-cert=/a": "metadata.extraArgs has --tls-cert",
    "artifacts.extraEnv[0].name=TANDEM_TLS_KEY": "artifacts.extraEnv has TANDEM_TLS_KEY",
    # hosts
    "hosts.artifacts=": "hosts.artifacts is empty",
    "hosts.artifacts=./mlruns": 'hosts.artifacts is "./mlruns"',
    "hosts.artifacts=file:///mlruns": 'hosts.artifacts is "file:///mlruns"',
    "hosts.artifacts=https://a.example.com": 'hosts.artifacts is "https://a.example.com"',
    "hosts.metadata=Mlflow.example.com/x": 'hosts.metadata is "Mlflow.example.com/x"',
    # the database
    "database.existingSecret=": "database.existingSecret and database.uri are both empty",
    "database.uri=postgresql://a/b": "database.existingSecret and database.uri are both set",
    "database.existingSecret= database.uri=sqlite:///a": "database.uri is no URI of PostgreSQL",
    "database.type=sqlite": "database.existingSecret or database.uri is set",
    f"{SQLITE} metadata.replicas=2": "metadata.replicas is 2",
    f"{SQLITE} metadata.replicas=1 metadata.{HPA}": "metadata.autoscaling.enabled is true",
    f"{SQLITE} {ONE_EACH} metadata.persistence.enabled=false": (
        "metadata.persistence.enabled is false"
    ),
    "metadata.persistence.enabled=true": "metadata.persistence.enabled is true, but nothing",
    "database.existingSecret= database.uri=postgresql://a/b database.secretKeys.password=p": (
        "database.secretKeys.password and database.uri are both set"
    ),
    "database.secretKeys.password=p database.user=u": (
        "database.secretKeys.host and database.host are both empty"
    ),
    "database.secretKeys.password=p database.host=h": (
        "database.secretKeys.user and database.user are both empty"
    ),
    "database.host=h": "database.secretKeys.password is empty, but other parts",
    "migration.user=u": "database.secretKeys.password is empty, but other parts",
    "database.secretKeys.password=p database.secretKeys.user=u database.host=h migration.user=m": (
        "migration.user and database.secretKeys.user are both set"
    ),
    f"{SQLITE} database.auth=aws-iam": "database.auth is aws-iam, but database.type is sqlite",
    "database.auth=gcp-iam database.secretKeys.password=p": "database.secretKeys.password is set",
    f"{IAM} database.uri=postgresql://u:p@h/n": "database.uri has a password",
    f"{IAM} database.uri=postgresql://u@h:5432/n?sslmode=prefer": "database.uri does not encrypt",
    f"{IAM} database.host=h database.user=u": "database.parameters do not encrypt",
    f"{IAM} database.host=h database.uri=postgresql://u@h/n": "database.host and database.uri are",
    f"{IAM} database.host=h {ENCRYPTED}": "database.user are both empty",
    f"{IAM} database.user=u {ENCRYPTED}": "database.host is empty, but other parts",
    f"{IAM} database.secretKeys.host=h database.user=u {ENCRYPTED}": (
        "database.secretKeys names keys, but database.existingSecret is empty"
    ),
    "metadata.extraArgs[0]=--db-auth": "change database.auth",
    "metadata.extraEnv[0].name=TANDEM_DB_AUTH": "metadata.extraEnv has TANDEM_DB_AUTH",
    "metadata.extraEnv[0].name=PGHOST": "metadata.extraEnv has PGHOST",
    # the object store
    "objectStore.destination=": "objectStore.destination is empty",
    "objectStore.destination=./mlartifacts": 'objectStore.destination is "./mlartifacts"',
    "objectStore.destination=az://bucket": 'objectStore.destination is "az://bucket"',
    "objectStore.destination=gs:///prefix": 'objectStore.destination is "gs:///prefix"',
    "objectStore.destination=wasbs://container": 'objectStore.destination is "wasbs://container"',
    "objectStore.destination=minio://host": 'objectStore.destination is "minio://host"',
    "objectStore.existingSecret=a objectStore.credentials.A=b": (
        "objectStore.existingSecret and objectStore.credentials are both set"
    ),
    f"{DISK} artifacts.replicas=2": "artifacts.replicas is 2",
    f"{DISK} artifacts.replicas=1 artifacts.{HPA}": "artifacts.autoscaling.enabled is true",
    f"{DISK} artifacts.replicas=1 {KEDA} {PROMETHEUS}": "artifacts.keda.enabled is true",
    f"{DISK} {ONE_EACH} artifacts.persistence.enabled=false": (
        "artifacts.persistence.enabled is false"
    ),
    f"{DISK} {ONE_EACH} objectStore.destination=/srv": "the directory /srv, which is not on",
    f"{DISK} {ONE_EACH} objectStore.destination=file:///var/lib/tandem/../x": "not on the volume",
    f"{DISK} {ONE_EACH} objectStore.destination=/var/lib/tandem2": "not on the volume",
    "artifacts.persistence.enabled=true": "artifacts.persistence.enabled is true, but nothing",
    f"metadata.webhooks.existingSecret=a metadata.webhooks.encryptionKey={'A' * 43}=": (
        "metadata.webhooks.existingSecret and metadata.webhooks.encryptionKey are both set"
    ),
    # scaling
    f"metadata.{HPA} metadata.resources.requests.cpu=null": (
        "metadata.autoscaling.cpu is set, but metadata.resources.requests.cpu is not"
    ),
    f"artifacts.{HPA} artifacts.resources.requests=null": (
        "artifacts.autoscaling.cpu is set, but artifacts.resources.requests.cpu is not"
    ),
    f"artifacts.{HPA} artifacts.resources.requests.memory=null artifacts.autoscaling.memory=80": (
        "artifacts.resources.requests.memory is not"
    ),
    f"{KEDA} {PROMETHEUS} artifacts.keda.cpu=80 artifacts.resources.requests.cpu=null": (
        "artifacts.keda.cpu is set, but artifacts.resources.requests.cpu is not"
    ),
    f"artifacts.{HPA} {KEDA} {PROMETHEUS}": (
        "artifacts.autoscaling.enabled and artifacts.keda.enabled are both true"
    ),
    f"metadata.{HPA} metadata.autoscaling.cpu=null": "metadata.autoscaling.enabled is true, but it",
    f"metadata.{HPA} metadata.autoscaling.minReplicas=9": "metadata.autoscaling.minReplicas is 9",
    f"{KEDA} {PROMETHEUS} artifacts.keda.minReplicas=11": "artifacts.keda.minReplicas is 11",
    KEDA: "artifacts.keda.serverAddress is empty",
    f"{KEDA} {PROMETHEUS} artifacts.keda.transfersInFlight=null": (
        "artifacts.keda.enabled is true, but it has nothing to scale by"
    ),
    "metadata.pdb.minAvailable=2": "metadata.pdb.minAvailable is 2, with as few as 2 pods",
    f"artifacts.{HPA} artifacts.replicas=5 artifacts.pdb.minAvailable=2": (
        "artifacts.pdb.minAvailable is 2, with as few as 2 pods"
    ),
    "metadata.pdb.maxUnavailable=null": "metadata.pdb has neither",
    "metadata.pdb.maxUnavailable=0": "metadata.pdb forbids every eviction",
    "artifacts.pdb.minAvailable=100%": "artifacts.pdb forbids every eviction",
    # one component's in the other
    "objectStore.existingSecret=db": (
        "objectStore.existingSecret and database.existingSecret are both db"
    ),
    "objectStore.existingSecret=owner migration.existingSecret=owner": (
        "objectStore.existingSecret and migration.existingSecret are both owner"
    ),
    "migration.existingSecret=owner artifacts.extraEnvFrom[0].secretRef.name=owner": (
        "artifacts has owner, the database's Secret"
    ),
    "migration.existingSecret=owner metadata.extraEnvFrom[0].secretRef.name=owner": (
        "metadata has owner, the migration's Secret"
    ),
    "artifacts.extraEnvFrom[0].secretRef.name=db": "artifacts has db, the database's Secret",
    "artifacts.extraEnv[0].name=A artifacts.extraEnv[0].valueFrom.secretKeyRef.name=db": (
        "artifacts has db, the database's Secret"
    ),
    "artifacts.extraVolumes[0].name=a artifacts.extraVolumes[0].secret.secretName=db": (
        "artifacts has db, the database's Secret"
    ),
    "objectStore.existingSecret=s3 metadata.extraEnvFrom[0].secretRef.name=s3": (
        "metadata has s3, the object store's Secret"
    ),
    "objectStore.existingSecret=s3 migration.extraVolumes[0].secret.secretName=s3": (
        "migration has s3, the object store's Secret"
    ),
    "metadata.serviceAccount.create=false artifacts.serviceAccount.create=false": (
        "metadata.serviceAccount and artifacts.serviceAccount are both default"
    ),
    "migration.serviceAccount.name=tandem-artifacts": (
        "migration.serviceAccount and artifacts.serviceAccount are both tandem-artifacts"
    ),
    # what the chart sets itself
    "metadata.extraArgs[0]=--default-artifact-root metadata.extraArgs[1]=/mlruns": (
        "metadata.extraArgs has --default-artifact-root"
    ),
    "metadata.extraArgs[0]=--default-artifact-root=/mlruns": "change hosts.artifacts",
    "metadata.extraArgs[0]=--migrate": "metadata.extraArgs has --migrate",
    "metadata.extraArgs[0]=--backend-store-uri=x": "metadata.extraArgs has --backend-store-uri",
    "artifacts.extraArgs[0]=--artifacts-destination": "change objectStore.destination",
    "artifacts.extraArgs[0]=--graceful-timeout": "change longestTransferSeconds",
    "metadata.extraEnv[0].name=MLFLOW_DEFAULT_ARTIFACT_ROOT": (
        "metadata.extraEnv has MLFLOW_DEFAULT_ARTIFACT_ROOT"
    ),
    "metadata.extraEnv[0].name=TANDEM_MIGRATE": "metadata.extraEnv has TANDEM_MIGRATE",
    "objectStore.env[0].name=MLFLOW_BACKEND_STORE_URI": "objectStore.env has MLFLOW_BACKEND_STORE",
    "objectStore.env[0].name=A artifacts.extraEnv[0].name=A": "both set A",
    # Services
    "metadata.service.loadBalancerSourceRanges[0]=10.0.0.0/8": (
        "metadata.service.loadBalancerSourceRanges is set, but metadata.service.type is ClusterIP"
    ),
    "artifacts.service.type=NodePort artifacts.service.loadBalancerClass=a": (
        "artifacts.service.loadBalancerClass is set, but"
    ),
    "artifacts.service.externalTrafficPolicy=Local": "artifacts.service.externalTrafficPolicy is",
    "metadata.service.ipFamilies[0]=IPv6 metadata.service.ipFamilies[1]=IPv4": (
        "metadata.service.ipFamilies has two families"
    ),
    # what the hook needs before the release makes it
    f"{_object('Secret', 'v1')} extraObjects[0].metadata.name=db": (
        "extraObjects[0] makes the Secret db, which the migration's hook needs"
    ),
    f"{_object('ExternalSecret', 'external-secrets.io/v1')} extraObjects[0].spec.target.name=db": (
        "set migration.mode to job"
    ),
    f"{_object('SealedSecret', 'bitnami.com/v1alpha1')} extraObjects[0].metadata.name=db": (
        "extraObjects[0] makes the Secret db"
    ),
    f"{_object('Cluster', 'postgresql.cnpg.io/v1')} database.existingSecret=pg-app "
    "extraObjects[0].metadata.name=pg": "extraObjects[0] makes the Secret pg-app",
    f"{_object('Instance', 'rds.aws.crossplane.io/v1')} "
    "extraObjects[0].spec.writeConnectionSecretToRef.name=db": "makes the Secret db",
    f"{_object('Secret', 'v1')} extraObjects[0].metadata.name=owner "
    "migration.existingSecret=owner": "extraObjects[0] makes the Secret owner",
    # labels
    "commonLabels.app\\.kubernetes\\.io/name=x": "commonLabels has app.kubernetes.io/name",
    "artifacts.podLabels.app\\.kubernetes\\.io/component=metadata": (
        "artifacts.podLabels has app.kubernetes.io/component"
    ),
    "commonLabels.a=b migration.podLabels.a=b": "migration.podLabels and commonLabels both have a",
    # authentication
    f"insecureNoAuth=false {INGRESS}": "ingress.enabled is true, but the services authenticate",
    "insecureNoAuth=false artifacts.service.type=NodePort": "artifacts.service.type is NodePort",
    "metadata.extraArgs[0]=--insecure-no-auth": "metadata.extraArgs has --insecure-no-auth",
    "artifacts.extraArgs[0]=--auth=none": "change auth.mode",
    "metadata.extraEnv[0].name=MLFLOW_AUTH_ADMIN_PASSWORD": "change auth.admin",
    "auth.admin.existingSecret=root": "auth.mode is none, but accounts are described",
    f"{AUTH} insecureNoAuth=true": "auth.mode is basic, but insecureNoAuth is true",
    f"{AUTH} auth.admin.password=at-least-twelve": (
        "auth.admin.existingSecret and auth.admin.password are both set"
    ),
    f"{AUTH} auth.admin.existingSecret= auth.admin.password=short": "auth.admin.password is too",
    f"{AUTH} auth.admin.existingSecret=": "auth.admin.existingSecret is empty",
    f"{AUTH} auth.database.existingSecret=a auth.database.uri=postgresql://a/b": (
        "auth.database.existingSecret and auth.database.uri are both set"
    ),
    f"{AUTH} auth.database.uri=sqlite:///a.db": "auth.database.uri is no URI of PostgreSQL",
    f"{AUTH} migration.accountsSecret=a": "migration.accountsSecret is set, but accounts have no",
    f"{AUTH} {SQLITE} {ONE_EACH} {POLICY} networkPolicy.database.peers=null "
    "auth.database.existingSecret=a": "empty, but accounts have a database of their own",
    f"{AUTH} auth.oidc.issuer=https://idp": "auth.oidc is set, but auth.mode is basic",
    f"{AUTH} auth.proxy.header=X-User": "auth.proxy is set, but auth.mode is basic",
    f"{AUTH} artifacts.extraEnvFrom[0].secretRef.name=root": (
        "artifacts has root, the Secret of auth.admin"
    ),
    f"{AUTH} objectStore.existingSecret=root": "artifacts has root, the Secret of auth.admin",
    f"{OIDC} auth.oidc.clientId=": "auth.oidc.issuer or auth.oidc.clientId is empty",
    f"{OIDC} auth.oidc.existingSecret=a auth.oidc.clientSecret=b": (
        "auth.oidc.existingSecret and auth.oidc.clientSecret are both set"
    ),
    f"{OIDC} auth.oidc.adminGroups[0]=ops": "auth.oidc.groupsClaim is empty",
    f"{OIDC} hosts.metadata=": "hosts.metadata and auth.publicUrl are empty",
    f"{OIDC} hosts.scheme=http": "browsers come by http://m.example.com",
    f"{OIDC} staticPrefix=/a auth.publicUrl=https://m.example.com": (
        "auth.publicUrl does not end with staticPrefix"
    ),
    f"{OIDC} {POLICY}": "networkPolicy.identityProvider.peers is empty",
    PROXY: "auth.proxy.header or auth.proxy.trustedProxies is empty",
    f"{PROXY} auth.proxy.header=X-User auth.proxy.trustedProxies[0]=0.0.0.0/0": (
        "auth.proxy.trustedProxies has 0.0.0.0/0"
    ),
    "artifacts.extraArgs[0]=--auth-trusted-proxies=a": "change auth.proxy.trustedProxies",
    "artifacts.extraArgs[0]=--auth-certificates": "change auth.certificateUser",
    f"{AUTH} auth.proxy.artifacts=true": "auth.proxy is set, but auth.mode is basic",
    f"{PROXIES} auth.proxy.header=X-User auth.proxy.certificateHeader=X-Cert": (
        "auth.proxy.header and auth.proxy.certificateHeader both name the user"
    ),
    f"{PROXIES} auth.proxy.certificateHeader=X-Cert": "auth.certificateUser is empty",
    f"{AUTH} auth.certificateUser=cn": "nobody asks clients for a certificate",
    "auth.certificateUser=cn": "auth.mode is none, but accounts are described",
    # routes
    f"hosts.metadata= {INGRESS}": "ingress.enabled is true, but hosts.metadata is empty",
    "hosts.metadata= httpRoute.enabled=true": "httpRoute.enabled is true, but hosts.metadata",
    "httpRoute.enabled=true": "httpRoute.parentRefs is empty",
    f"{FILTER}.type=Auth": 'httpRoute.filters[0] is of type "Auth"',
    f"{FILTER}.extensionRef.name=a": 'httpRoute.filters[0] is of type ""',
    f"{FILTER}.type=ExtensionRef": "is of type ExtensionRef, but has no extensionRef",
    f"{FILTER}.type=CORS {FILTER}.cors.maxAge=5 {FILTER}.extensionRef.name=a": (
        "is of type CORS, but has extensionRef too"
    ),
    f"{FILTER}.type=CORS {FILTER}.cors.maxAge=5 httpRoute.filters[1].type=CORS "
    "httpRoute.filters[1].cors.maxAge=6": "httpRoute.filters[1] is the second one of type CORS",
    f"{FILTER}.type=ExternalAuth {FILTER}.externalAuth.protocol=HTTP": (
        "is of type ExternalAuth, which Gateway API has in its experimental channel only"
    ),
    f"{FILTER}.type=ExternalAuth {FILTER}.externalAuth.forwardBody.maxSize=1024 "
    "httpRoute.channel=experimental": "httpRoute.filters[0].externalAuth.forwardBody is set",
    "ingress.tls.enabled=true": "ingress.tls.enabled is true, but ingress.enabled is false",
    f"{TLS} hosts.scheme=http": "ingress.tls.enabled is true, but hosts.scheme is http",
    f"{INGRESS} ingress.tls.certManager.issuer=a": "ingress.tls.certManager is set, but",
    f"{TLS} ingress.tls.certManager.issuer=a ingress.tls.certManager.clusterIssuer=b": (
        "ingress.tls.certManager.clusterIssuer and ingress.tls.certManager.issuer are both set"
    ),
    f"{TLS} ingress.tls.certManager.issuer=a ingress.tls.artifactsSecretName=t "
    "ingress.tls.metadataSecretName=t": "ingress.tls.artifactsSecretName are both t",
    f"{TLS} hosts.metadata=a.example.com ingress.tls.artifactsSecretName=t": (
        "ingress.tls.artifactsSecretName is set, but"
    ),
    # policies
    f"{POLICY} networkPolicy.database.peers=null": "networkPolicy.database.peers is empty",
    f"{POLICY} networkPolicy.objectStore.peers=null": "networkPolicy.objectStore.peers is empty",
    f"{POLICY} {INGRESS} networkPolicy.ingressFrom=null": "networkPolicy.ingressFrom is empty",
    f"{POLICY} monitoring.podMonitor.enabled=true": "networkPolicy.scrapeFrom is empty",
    f"{POLICY} {ANYWHERE} networkPolicy.database.ports[0]=443": "both open port 443",
    f"{POLICY} database.auth=aws-iam": "networkPolicy.identity.peers is empty",
    f"{POLICY} database.auth=aws-iam {IDENTITY}=0.0.0.0/0": (
        "networkPolicy.identity opens port 443 to every address"
    ),
    f"{POLICY} metadata.networkPolicy.extraEgress[0].ports[0].port=443": (
        'metadata.networkPolicy.extraEgress[0] lacks "to" or "ports"'
    ),
    f"{POLICY} artifacts.networkPolicy.extraEgress[0].to[0].ipBlock.cidr=0.0.0.0/0": (
        'artifacts.networkPolicy.extraEgress[0] lacks "to" or "ports"'
    ),
    "monitoring.serviceMonitor.enabled=true monitoring.podMonitor.enabled=true": (
        "monitoring.serviceMonitor.enabled and monitoring.podMonitor.enabled are both true"
    ),
    **malformed_values.REFUSED,
}
# One worker has all sentences, for the test that looks at them together.
pytestmark = pytest.mark.xdist_group("chart refusals")

BASE = (
    "hosts.metadata=m.example.com hosts.artifacts=a.example.com database.existingSecret=db "
    "objectStore.destination=s3://bucket insecureNoAuth=true"
)


def sets(pairs: str) -> list[str]:
    return [*BASE.split(), *pairs.split()]


def test_the_base_itself_is_taken() -> None:
    tools.render_chart(sets=sets(""))


@cache
def refusal(pairs: str) -> str:
    """The chart's sentence."""
    with pytest.raises(tools.ToolError) as refused:
        tools.render_chart(sets=sets(pairs))
    before, _, told = str(refused.value).partition("validate.yaml:1:4): ")
    assert told, f"refused in passing, not by a sentence of the chart: {before}"
    return told.splitlines()[0]


@pytest.mark.parametrize("pairs", REFUSED)
def test_refusals(pairs: str) -> None:
    sentence = refusal(pairs)
    assert REFUSED[pairs] in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 250


def test_every_sentence_of_the_chart_is_seen() -> None:
    """A refusal that no test provokes may never happen, or say something else than it should."""
    text = "".join(path.read_text() for path in (tools.CHART / "templates").glob("_validate*.tpl"))
    formats = [
        json.loads(each) for each in re.findall(r'fail (?:\(printf )?("(?:[^"\\]|\\.)*")', text)
    ]
    assert len(formats) == text.count("{{- fail ")
    seen = {refusal(pairs) for pairs in REFUSED}
    for each in formats:
        pattern = re.sub(r"%(s|d|v|q)|%%", ".*", re.escape(each))
        assert any(re.fullmatch(pattern, sentence) for sentence in seen), each


TAKEN = [
    "database.auth=gcp-iam",
    f"{IAM} database.uri=postgresql://u@h:5432/n?a=b&sslmode=require",
    f"{IAM} database.host=h database.user=u migration.user=m {ENCRYPTED}",
    f"database.auth=aws-iam database.secretKeys.host=endpoint database.user=u {ENCRYPTED}",
    f"{POLICY} database.auth=aws-iam {IDENTITY}=0.0.0.0/0 networkPolicy.identity.ports[0]=80",
    f"{_object('Secret', 'v1')} extraObjects[0].metadata.name=other",
    f"{_object('Secret', 'v1')} extraObjects[0].metadata.name=db migration.mode=job",
    f"{_object('Secret', 'v1')} extraObjects[0].metadata.name=db migration.enabled=false",
    f"{_object('Secret', 'v1')} extraObjects[0].metadata.name=db "
    "extraObjects[0].metadata.annotations.helm\\.sh/hook=pre-install",
    f"{_object('Database', 'v1')} extraObjects[0].metadata.name=db",
    f"{SQLITE} {ONE_EACH}",
    f"{DISK} {ONE_EACH}",
    f"{DISK} {ONE_EACH} objectStore.destination=file:///var/lib/tandem",
    "hosts.metadata=",
    "insecureNoAuth=false",
    f"{AUTH} {INGRESS} metadata.service.type=LoadBalancer",
    f"{AUTH} auth.admin.existingSecret= auth.existingAccounts=true",
    f"{OIDC} auth.admin.existingSecret= auth.oidc.groupsClaim=groups auth.oidc.adminGroups[0]=ops",
    f"{OIDC} hosts.metadata=localhost:5000 hosts.scheme=http",
    "hosts.artifacts=localhost:5500 hosts.metadata=localhost:5000 hosts.scheme=http",
    "database.existingSecret= database.uri=postgresql+psycopg://a/b",
    "metadata.pdb.minAvailable=1",
    "metadata.pdb.minAvailable=50%",
    "metadata.pdb.enabled=false metadata.pdb.maxUnavailable=0",
    f"artifacts.{HPA} artifacts.autoscaling.cpu=null artifacts.autoscaling.transfersInFlight=4 "
    "artifacts.resources.requests=null",
    f"{POLICY} {ANYWHERE}",
    f"{POLICY} networkPolicy.database.ports[0]=443",
    f"{TLS} ingress.tls.artifactsSecretName=t ingress.tls.metadataSecretName=t",
    f"{TLS} hosts.metadata=a.example.com ingress.tls.certManager.issuer=a",
    "metadata.serviceAccount.create=false",
    "objectStore.existingSecret=s3 artifacts.extraEnvFrom[0].secretRef.name=other",
    *malformed_values.TAKEN,
]


@pytest.mark.parametrize("pairs", TAKEN)
def test_what_is_next_to_a_refusal_is_taken(pairs: str) -> None:
    assert tools.render_chart(sets=sets(pairs))


def test_secret_of_an_earlier_install_may_come_from_the_extra_objects() -> None:
    pairs = f"{_object('Secret', 'v1')} extraObjects[0].metadata.name=db"
    kinds = tools.render_chart(sets=sets(f"{pairs} migration.mode=job"))
    live: tools.Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "db",
            "namespace": tools.NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {
                "meta.helm.sh/release-name": tools.RELEASE,
                "meta.helm.sh/release-namespace": tools.NAMESPACE,
            },
        },
    }
    with api_server.serve(kinds, [live]) as address:
        asked = "--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address
        assert tools.render_chart(sets=sets(pairs), arguments=asked)
