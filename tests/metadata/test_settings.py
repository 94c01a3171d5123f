"""Values that the metadata service refuses to start with."""

import pytest

from tandem_metadata.settings import Settings
from tandem_shared.settings import SettingsError


@pytest.mark.parametrize(
    ("setting", "value"),
    [("pool_size", 0), ("pool_timeout", -1.0), ("artifacts_timeout", 0.0), ("max_body_bytes", 0)],
)
def test_a_number_that_cannot_work_is_refused_by_its_flag(setting: str, value: float) -> None:
    with pytest.raises(SettingsError, match="--" + setting.replace("_", "-")):
        Settings(**{setting: value}).check()
