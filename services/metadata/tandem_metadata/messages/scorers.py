"""Messages of scorers: judges of traces that are kept as text."""

from typing import Any

from msgspec import Struct

from tandem_shared.wire.codec import Int32, Required


class RegisterScorer(Struct):
    """Request of `scorers/register`."""

    experiment_id: Required
    name: Required
    serialized_scorer: Required
    """JSON, as the client's `Scorer.model_dump` makes it."""


class RegisterScorerResponse(Struct):
    """Answer of `scorers/register`."""

    version: int
    scorer_id: str
    experiment_id: str
    name: str
    serialized_scorer: str
    creation_time: int


class Scorer(Struct, omit_defaults=True):
    """One version of a scorer."""

    experiment_id: int
    scorer_name: str
    scorer_version: int
    serialized_scorer: str
    scorer_id: str
    creation_time: int | None = None


class ListScorers(Struct):
    """Query of `scorers/list`: of one experiment, of several, or of all."""

    experiment_id: str = ""
    experiment_ids: list[str] | None = None


class ListScorerVersions(Struct):
    """Query of `scorers/versions`."""

    experiment_id: Required
    name: Required


class ScorersResponse(Struct, omit_defaults=True):
    """Answer of `scorers/list` and of `scorers/versions`."""

    scorers: list[Scorer] = []


class GetScorer(Struct):
    """Query of `scorers/get`; without a version, for the latest."""

    experiment_id: Required
    name: Required
    version: Int32 | None = None


class ScorerResponse(Struct):
    """Answer of `scorers/get`."""

    scorer: Scorer


class DeleteScorer(Struct):
    """Request of `scorers/delete`; without a version, all go."""

    experiment_id: str = ""
    name: str = ""
    version: Int32 | None = None


class GetOnlineConfigs(Struct):
    """Query of `scorers/online-configs`."""

    scorer_ids: list[str]


class OnlineConfigsResponse(Struct):
    """Answer of `scorers/online-configs`."""

    configs: list[dict[str, Any]] = []
