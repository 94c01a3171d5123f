"""What the requests of the matrix ask for: files of one run, and users of each level."""

import httpx
import requests

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.guarded import ADMIN, Guarded, senders
from tests.system.services import Stack
from tests.system.teams import ARTIFACTS

_MPU = "/api/2.0/mlflow-artifacts/mpu"


class World:
    """Both services with their content; `values` are what the rows name in braces."""

    def __init__(self, stack: Stack, metadata: httpx.Client, artifacts: httpx.Client) -> None:
        """The clients have the URLs of both services as their base."""
        self.on_disk = not stack.destination.startswith("s3:")
        self.artifacts = artifacts
        database = Database(Settings(backend_store_uri=stack.database, pool_size=1))
        service = Guarded(metadata, database)
        experiment, elsewhere = (service.experiment(f"matrix {each}") for each in ("own", "other"))
        self.headers = senders(service, experiment, elsewhere)
        folder = f"{experiment}/{service.run(experiment)}/artifacts"
        self.values = {"folder": folder, "file": f"{folder}/file.txt", "upload": "u", "etag": "e"}
        self.new_file()
        database.close()

    def new_file(self) -> None:
        """The file is there, whoever has deleted it."""
        path = f"/api/{ARTIFACTS}/{self.values['file']}"
        assert self.artifacts.put(path, content=b"x", headers=self.headers[ADMIN]).is_success

    def new_upload(self) -> None:
        """An upload whose part has been sent; on a disk there are none."""
        if self.on_disk:
            return
        given = {"path": "part.bin", "num_parts": 1}
        begun = self.artifacts.post(
            f"{_MPU}/create/{self.values['folder']}", json=given, headers=self.headers[ADMIN]
        ).json()
        [part] = begun["credentials"]
        sent = requests.put(part["url"], b"part", headers=part.get("headers"), timeout=20)
        self.values |= {"upload": begun["upload_id"], "etag": sent.headers["ETag"]}
