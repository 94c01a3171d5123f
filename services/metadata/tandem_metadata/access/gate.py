"""Admits requests: the one place that asks who sends one, and whether he may."""

from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlencode

from starlette.types import Scope

from tandem_metadata.access import account, ownership, withheld
from tandem_metadata.access.account import Account
from tandem_metadata.access.artifacts import ArtifactAccess
from tandem_metadata.access.authentication import Authenticator, Given
from tandem_metadata.access.cookies import Cookies
from tandem_metadata.access.owners import Owners
from tandem_metadata.access.rules import Caller, MessageRule, experiment_key
from tandem_metadata.access.view import EVERYTHING, View
from tandem_metadata.access.vouched import Vouching
from tandem_metadata.database.database import Database
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.search.sql.registry_compile import ReadableNames
from tandem_shared.auth import grants as artifact_grants
from tandem_shared.auth.credentials import SessionCookie, Vouched
from tandem_shared.auth.grants import Grant
from tandem_shared.auth.rules import PRINCIPAL, Rule
from tandem_shared.errors import NotFound, PermissionDenied, Unauthenticated
from tandem_shared.http.router import ROUTE
from tandem_shared.security.own_page import REFUSAL, OwnPage


class Gate:
    """Of one process; the event loop calls all methods."""

    def __init__(
        self,
        authenticator: Authenticator,
        owners: Owners,
        artifacts: ArtifactAccess,
        *,
        vouching: Vouching | None = None,
        cookies: Cookies | None = None,
        login_path: str = "",
        own_page: OwnPage | None = None,
        apart: Database | None = None,
    ) -> None:
        """With `vouching`, users come without credentials; tokens are taken all the same.

        With `cookies`, browsers have sessions; those that ask for the web UI without one are led to
        `login_path`. Changes by what a browser sends on its own need an `own_page`. `apart` is the
        database of accounts, where it is not the one that requests write to.
        """
        self.cookies = cookies
        self._login_path = login_path
        self._own_page = own_page or OwnPage()
        self.authenticator = authenticator
        self.owners = owners
        self.artifacts = artifacts
        self._vouching = vouching
        self._apart = apart

    async def admit(self, scope: Scope, rule: Rule, changes: bool) -> None:
        """Find out who sends a request; raise ApiError if nobody, or if he may not send it.

        It is the router's guard. What depends on the request's message, `check` decides.
        """
        given = self._given(scope)
        if not given:
            raise Unauthenticated(
                "You are not authenticated: send a user name and password (Basic), or a token "
                "(Bearer). MLflow's client sends what MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, hold.",
                location=self._way_to_login(scope),
            )
        try:
            sender = await self.authenticator.account(given)
        except Unauthenticated as error:
            if isinstance(given, SessionCookie | Vouched):
                error.location = self._way_to_login(scope)
            raise
        _enter(scope, sender)  # so that the audit log knows who is refused
        if changes:
            self._check_page(scope, given)
        if sender.read_only and changes:
            raise PermissionDenied("Permission denied: this token is for reading only.")
        if rule.admin and not sender.admin:
            sender = await self.authenticator.again(sender)
            if not sender.admin:
                raise PermissionDenied(
                    f"Permission denied: this is for administrators, and user '{sender.name}' "
                    "is none."
                )
            _enter(scope, sender)
        ownership.begin(self._apart, self.authenticator.changed)

    def _given(self, scope: Scope) -> Given:
        """What a request proves its sender by; empty without anything.

        What a client has chosen for this request goes before what a connection has by itself, which
        may be that of a proxy.
        """
        if self._vouching and (vouched := self._vouching.by_header(scope)):
            return vouched
        if header := _authorization(scope):
            return header
        if self.cookies and (session_id := self.cookies.session(scope)):
            return SessionCookie(session_id)
        if self._vouching:
            try:
                return self._vouching.by_connection(scope) or b""
            except Unauthenticated as error:
                error.location = self._way_to_login(scope)
                raise
        return b""

    async def check(self, scope: Scope, rule: Rule, message: Any) -> None:
        """Raise PermissionDenied for a message that the request's sender may not send.

        Nobody is refused by grants that are only remembered: they are read again first.
        """
        if not isinstance(rule, MessageRule) or rule.check is None:
            return
        sender: Account = scope[PRINCIPAL]
        if sender.admin:
            return
        try:
            await rule.check(self._caller(sender), message)
        except (PermissionDenied, NotFound):
            newer = await self.authenticator.again(sender)
            if newer == sender:
                raise
            _enter(scope, newer)
            if not newer.admin:
                await rule.check(self._caller(newer), message)

    async def artifact_grant(self, path: str, action: artifact_grants.Action) -> Grant:
        """What the sender of the request under way may do at a path; see `ArtifactAccess.grant`.

        What he is granted is read anew, so that the grant holds nothing that was taken away before.
        """
        sender = account.current()
        if sender is None:
            raise PermissionDenied("Permission denied: nobody is authenticated.")
        newest = await self.authenticator.again(sender)
        return await self.artifacts.grant(newest, path, action)

    def _check_page(self, scope: Scope, given: Given) -> None:
        """Raise PermissionDenied unless a page of this service sends what browsers prove alone.

        Programs have certificates, and come through proxies; those that copy cookies have tokens.
        """
        if isinstance(given, Vouched | SessionCookie):
            programs = isinstance(given, Vouched)
            if not self._own_page.is_sender(scope, programs=programs):
                raise PermissionDenied(REFUSAL)

    def _way_to_login(self, scope: Scope) -> str | None:
        """Where a browser logs in that asks for a page; None for all else."""
        if not self.cookies or scope.get(ROUTE) not in _PAGES or scope["method"] != "GET":
            return None
        return f"{self._login_path}?{urlencode({'next': scope['path']})}"

    async def readable(self, type: str, *also: str) -> Readable | None:
        """Which resources of a type the listings of the request under way show; None for all.

        Where one of the types `also` is denied, none are. What a user has just created here is
        there: `Changes` ends what is remembered. Another service's workers do not hear of it, so
        that grants count shorter where new resources need one to be listed.
        """
        sender = _limited()
        held = sender.readable(type, *also) if sender else None
        if sender is None or _has_new(held):
            return held
        return (await self._lately(sender)).readable(type, *also)

    async def readable_in(self, experiments: Collection[str], *also: str) -> Readable | None:
        """As `readable`, for listings of what lies in these experiments.

        Where one of them may not be read, the grants are read again first, as in `check`.
        """
        sender = _limited()
        held = sender.readable(permissions.EXPERIMENT, *also) if sender else None
        if sender is None or held is None:
            return None
        if all(experiment_key(each).id in held for each in experiments):
            return held
        return (await self._newest(sender)).readable(permissions.EXPERIMENT, *also)

    async def readable_names(self, *, versions: bool) -> ReadableNames | None:
        """Which registered models and prompts, or versions of which, listings show; None for all.

        As `readable`.
        """
        sender = _limited()
        if sender is None:
            return None
        held = _names(sender, versions=versions)
        if _has_new(held.models) and _has_new(held.prompts):
            return held
        return _names(await self._lately(sender), versions=versions)

    async def view(self) -> View:
        """All that the request under way may be shown by one answer of several listings."""
        sender = _limited()
        if sender is None:
            return EVERYTHING
        held = await self._lately(sender)
        return View(
            experiments=held.readable(permissions.EXPERIMENT),
            runs=held.readable(permissions.EXPERIMENT, permissions.RUN),
            versions=_names(held, versions=True),
            withheld=held.withheld,
            denied_runs=held.denied_runs if held.denies_experiments else None,
        )

    async def shown(self, body: bytes) -> bytes:
        """An answer in JSON as the request under way may be shown it."""
        sender = account.current()
        if sender is None:
            return body
        if sender.withheld:
            body = await withheld.without(body, sender.withheld)
        if sender.denies_experiments and withheld.tells_of_runs(body):
            named = await withheld.runs_in(body)
            if denied := sender.denied_runs(await self.owners.runs.of(named)):
                body = await withheld.without_runs(body, denied)
        return body

    def _caller(self, sender: Account) -> Caller:
        return Caller(sender, self.owners, self.authenticator.read)

    async def _lately(self, sender: Account) -> Account:
        if self.authenticator.is_for_listings(sender):
            return sender
        return await self._newest(sender)

    async def _newest(self, sender: Account) -> Account:
        newest = await self.authenticator.again(sender)
        account.enter(newest)
        return newest


_PAGES: Final = ("/", "/signup")


def _limited() -> Account | None:
    """The sender of the request under way; None for one who may read everything."""
    sender = account.current()
    return None if sender is None or sender.admin else sender


def _has_new(readable: Readable | None) -> bool:
    return readable is None or readable.all_but


def _names(of: Account, *, versions: bool) -> ReadableNames:
    return ReadableNames(
        of.readable(
            permissions.REGISTERED_MODEL, *([permissions.MODEL_VERSION] if versions else [])
        ),
        of.readable(permissions.PROMPT, *([permissions.PROMPT_VERSION] if versions else [])),
    )


def _authorization(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            given: bytes = value
            return given
    return b""


def _enter(scope: Scope, sender: Account) -> None:
    scope[PRINCIPAL] = sender
    account.enter(sender)
