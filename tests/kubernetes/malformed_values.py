"""Values of the chart that no cluster, database or Prometheus would take, or that do nothing.

Each is a row of `--set` arguments, apart by blanks, on top of `test_chart_refusals.BASE`.
"""

IAM = "database.existingSecret= database.auth=aws-iam"
ENCRYPTED = "sslmode=verify-full"
IN_PARTS = "database.secretKeys.password=p database.user=u"
FILTER = "httpRoute.filters[0]"
EXTERNAL_AUTH = f"{FILTER}.type=ExternalAuth httpRoute.channel=experimental"
ROUTED = "httpRoute.enabled=true httpRoute.parentRefs[0].name=a"
SERVICE_MONITOR, POD_MONITOR = "monitoring.serviceMonitor", "monitoring.podMonitor"
ROLLING = "strategy.rollingUpdate"
PEER = "peers[0].ipBlock"

REFUSED = {
    # the database
    f"{IAM} database.host=h database.user=u database.parameters={ENCRYPTED}&password=p": (
        "database.parameters have a password"
    ),
    f"{IAM} database.uri=postgresql://u@h/n?{ENCRYPTED}&password=p": "database.uri has a password",
    f"{IN_PARTS} database.host=pg:5432": 'database.host is "pg:5432"',
    f"{IN_PARTS} database.host=postgresql://pg": 'database.host is "postgresql://pg"',
    f"{IN_PARTS} database.host=[::1]": 'database.host is "[::1]"',
    f"{IN_PARTS} database.host=pg/mlflow": 'database.host is "pg/mlflow"',
    "migration.enabled=false migration.existingSecret=owner": (
        "migration.existingSecret is set, but migration.enabled is false"
    ),
    "gc.enabled=true database.type=sqlite database.existingSecret= metadata.replicas=1 "
    "metadata.persistence.enabled=true": "gc.enabled is true, but database.type is sqlite",
    "gc.enabled=true gc.extraArgs[0]=--yes": "gc.extraArgs has --yes, which the chart sets itself",
    f"gc.enabled=true gc.pushgateway=http://a networkPolicy.enabled=true "
    f"networkPolicy.database.{PEER}.cidr=10.0.5.0/24 "
    f"networkPolicy.objectStore.{PEER}.cidr=10.0.6.0/24": (
        "networkPolicy.pushgateway.peers is empty"
    ),
    "gc.enabled=true gc.serviceAccount.name=tandem-artifacts": (
        "gc.serviceAccount and artifacts.serviceAccount are both tandem-artifacts"
    ),
    # pods
    "artifacts.pdb.minAvailable=90%": "artifacts.pdb.minAvailable is 90%, which of 2 pods is all",
    "metadata.replicas=1 metadata.pdb.minAvailable=1%": "is 1%, which of 1 pods is all",
    f"metadata.{ROLLING}.maxSurge=0": (
        "metadata.strategy.rollingUpdate has maxSurge and maxUnavailable of 0"
    ),
    f"artifacts.{ROLLING}.maxSurge=0% artifacts.{ROLLING}.maxUnavailable=0%": (
        "artifacts.strategy.rollingUpdate has"
    ),
    "metadata.extraArgs[0]=-p5600": "metadata.extraArgs has -p,",
    "artifacts.extraArgs[0]=-h0.0.0.0": "artifacts.extraArgs has -h,",
    # names
    "metadata.serviceAccount.name=a migration.serviceAccount.name=a": (
        "metadata.serviceAccount and migration.serviceAccount both make the account a"
    ),
    "test.serviceAccount.name=tandem-migrate": (
        "migration.serviceAccount and test.serviceAccount both make the account tandem-migrate"
    ),
    "fullnameOverride=my.app": 'Names would begin with "my.app"',
    "fullnameOverride=1tandem": 'Names would begin with "1tandem"',
    "global.imageRegistry=https://r.example.com": (
        'global.imageRegistry is "https://r.example.com"'
    ),
    "global.imageRegistry=r.example.com/": 'global.imageRegistry is "r.example.com/"',
    "artifacts.image.registry=r.example.com/": "artifacts.image.registry is",
    "global.imagePullSecrets[0].key=a": 'global.imagePullSecrets[0] is {"key":"a"}',
    "global.imagePullSecrets[0].name=a global.imagePullSecrets[0].key=b": (
        "global.imagePullSecrets[0] is"
    ),
    "global.imagePullSecrets[0]=": 'global.imagePullSecrets[0] is ""',
    "extraObjects[0].kind=ConfigMap": "extraObjects[0] is no object of Kubernetes",
    "extraObjects[0].apiVersion=v1 migration.enabled=false": "extraObjects[0] is no object",
    "extraObjects[0]=text": "extraObjects[0] is no object of Kubernetes",
    # routes, networks and scrapes
    "hosts.artifacts=a.example.com:65536": 'hosts.artifacts is "a.example.com:65536", whose port',
    f"{FILTER}.type=CORS {FILTER}.cors.maxAge=5": (
        "httpRoute.filters is set, but httpRoute.enabled is false"
    ),
    f"{ROUTED} {EXTERNAL_AUTH} {FILTER}.externalAuth=null": "but has no externalAuth",
    f"networkPolicy.database.{PEER}.cidr=10.0.5.7": (
        'networkPolicy.database.peers has "10.0.5.7", which is no network'
    ),
    f"networkPolicy.identity.{PEER}.cidr=2001:db8::7": "as 2001:db8::7/128 for one address",
    f"networkPolicy.objectStore.{PEER}.cidr=0.0.0.0/0 "
    f"networkPolicy.objectStore.{PEER}.except[0]=10.0.0.0": "networkPolicy.objectStore.peers has",
    "networkPolicy.scrapeFrom[0].ipBlock.cidr=10.0.5.7": "networkPolicy.scrapeFrom has",
    "metadata.networkPolicy.extraEgress[0].to[0].ipBlock.cidr=10.0.5.7": (
        "metadata.networkPolicy.extraEgress has"
    ),
    "artifacts.service.type=LoadBalancer artifacts.service.loadBalancerSourceRanges[0]=10.0.5.7": (
        "artifacts.service.loadBalancerSourceRanges has"
    ),
    f"{SERVICE_MONITOR}.enabled=true {SERVICE_MONITOR}.interval=5s": (
        "monitoring.serviceMonitor.scrapeTimeout is 10s, longer than the interval, which is 5s"
    ),
    f"{POD_MONITOR}.enabled=true {POD_MONITOR}.scrapeTimeout=1m": (
        "monitoring.podMonitor.scrapeTimeout is 1m"
    ),
}

TAKEN = [
    f"{IN_PARTS} database.host=fd00::5",
    f"{IN_PARTS} database.host=/cloudsql/project:region:db",
    "artifacts.replicas=10 artifacts.pdb.minAvailable=90%",
    f"metadata.{ROLLING}.maxSurge=0 metadata.{ROLLING}.maxUnavailable=1",
    "metadata.serviceAccount.name=a migration.serviceAccount.name=a "
    "migration.serviceAccount.create=false",
    "global.imageRegistry=r.example.com:5000/mirror global.imagePullSecrets[0]=a "
    "global.imagePullSecrets[1].name=b",
    "extraObjects[0]=#none",
    "hosts.artifacts=a.example.com:65535",
    f"{ROUTED} {EXTERNAL_AUTH} {FILTER}.externalAuth.protocol=HTTP",
    f"networkPolicy.database.{PEER}.cidr=2001:db8::/32",
    f"{POD_MONITOR}.enabled=true {POD_MONITOR}.interval=1m30s {POD_MONITOR}.scrapeTimeout=90s",
]
