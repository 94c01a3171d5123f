"""Tokens of AWS's IAM for RDS, Aurora and RDS Proxy, signed with the credentials of the process.

botocore finds these: a role of the pod (IRSA, EKS Pod Identity), of the task or of the machine,
variables, or a profile. It is the extra `aws`.
"""

import os
import re
from typing import Any, Final

from tandem_metadata.database.login.tokens import LoginFailed, Token
from tandem_shared.settings import SettingsError

_SECONDS: Final = 600.0
"""How long a token holds. RDS takes it for 15 minutes, but not after the credentials' own end.

botocore signs with credentials that have at least ten minutes left: it renews them before
(`botocore.credentials.RefreshableCredentials`).
"""

_TIMEOUT: Final = 5  # seconds for each of two attempts to fetch credentials

_REGION: Final = re.compile(
    r"\.(?:([a-z]+(?:-[a-z]+)+-\d+)\.rds|rds\.(cn-[a-z]+-\d+))\.amazonaws\.[a-z.]+$"
)
"""The region in the name of an endpoint; in China it comes after the service."""


class RdsTokens:
    """Tokens for one user of one endpoint."""

    refused = (
        "The user needs the role rds_iam (GRANT rds_iam TO …), the service's role in AWS "
        "rds-db:connect for this user and database, and the database IAM authentication turned on; "
        "the host must be the database's own endpoint, not another name of it"
    )

    def __init__(self, host: str, port: str, user: str) -> None:
        """Raises SettingsError without botocore, for several hosts, and without a region."""
        try:
            from botocore.session import Session
        except ImportError:
            raise SettingsError(
                "--db-auth aws-iam needs botocore: pip install 'tandem-metadata[aws]'. The images "
                "have it."
            ) from None
        if "," in host:
            raise SettingsError(
                "--db-auth aws-iam takes one host, since a token is for one: name the cluster's "
                "endpoint, which follows the writer."
            )
        self._host, self._port, self._user = host, int(port), user
        configured = os.environ.get("AWS_REGION") or Session().get_config_variable("region")
        self._region = region_of(host) or configured
        # STS is asked in the region of the pod, in whose network it may have an endpoint.
        self._own_region = configured or self._region
        if not self._region:
            raise SettingsError(
                f"--db-auth aws-iam finds no region in the host {host}: name the endpoint of the "
                "database (….eu-central-1.rds.amazonaws.com), or set AWS_REGION."
            )
        self._client: Any = None

    def fetch(self) -> Token:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client = self._client or self._connect()
            text: str = self._client.generate_db_auth_token(self._host, self._port, self._user)
        except (BotoCoreError, ClientError) as error:
            self._client = None  # one that has found no credentials never looks again
            why = " ".join(str(error).split()).rstrip(".")
            raise LoginFailed(
                f"AWS gives no credentials to sign a token with: {why}. Give the service a role, "
                "as by IRSA or EKS Pod Identity, and let it reach what hands out its credentials"
            ) from error
        return Token(text, _SECONDS)

    def _connect(self) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        session = Session()
        session.set_config_variable("region", self._own_region)
        # Also for the clients by which botocore fetches credentials.
        session.set_default_client_config(
            Config(
                connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2}
            )
        )
        return session.create_client("rds", region_name=self._region)


def region_of(host: str) -> str | None:
    """The region that the name of an endpoint of RDS holds; None for other names."""
    found = _REGION.search(host.rstrip(".").lower())
    return (found[1] or found[2]) if found else None
