"""Sessions: how long one may be idle, ending those of a person, and deleting those that have expired."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from allauth.account.authentication import get_authentication_records
from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django_subatomic.db import transaction_if_not_already

from wisepay.events import add_once
from wisepay.http import get_client_ip
from wisepay.models import User

ACTIVE_KEY = "active_at"  # the session's key: when the person last did something, in seconds since 1970
SHORTEST_IDLE = timedelta(minutes=5)  # below it nobody's limit is asked for
PRECISION = 60  # seconds that `active_at` may be behind, so that not every request writes
OPERATORS_IDLE = timedelta(minutes=30)
LONGEST_IDLE = timedelta(days=14)
LONGEST_SESSION = timedelta(days=30)

IdlePolicy = Callable[[User], Iterable[timedelta]]
ZoneReader = Callable[[User], str]
IDLE_POLICIES: list[IdlePolicy] = []
AccessPolicy = Callable[[User], bool]
ACCESS_POLICIES: list[AccessPolicy] = []
ZONE_READERS: list[ZoneReader] = []


def register_idle_policy(policy: IdlePolicy) -> IdlePolicy:
    """Register who says after how long without activity a user's session ends; the shortest answer counts."""
    return add_once(IDLE_POLICIES, policy)


def register_access_policy(policy: AccessPolicy) -> AccessPolicy:
    """Register who says whether a user still has access to something."""
    return add_once(ACCESS_POLICIES, policy)


def register_zone_reader(reader: ZoneReader) -> ZoneReader:
    """Register who knows the time zone that a user's days are counted in; empty where it is not known."""
    return add_once(ZONE_READERS, reader)


def find_zone(user: User) -> str:
    """The time zone in which the user reads when something happened; UTC where nobody knows."""
    return next((zone for reader in ZONE_READERS if (zone := reader(user))), "UTC")


def end_sessions_without_access(user: User) -> int:
    """End every session of a user who has access to nothing any more; answer how many."""
    if user.is_staff or any(policy(user) for policy in ACCESS_POLICIES):
        return 0
    return end_sessions(user)


def get_idle_limit(user: User) -> timedelta:
    """After how long without activity the user's sessions end."""
    limits = [limit for policy in IDLE_POLICIES for limit in policy(user)]
    if user.is_staff:
        limits.append(OPERATORS_IDLE)
    return max(SHORTEST_IDLE, min(limits, default=LONGEST_IDLE))


def is_idle_too_long(request: HttpRequest, user: User, *, now: datetime) -> bool:
    """Whether the session has been idle for longer than the user's limit."""
    active_at = request.session.get(ACTIVE_KEY)
    idle = timedelta(seconds=now.timestamp() - active_at) if isinstance(active_at, int | float) else timedelta()
    return idle > SHORTEST_IDLE and idle > get_idle_limit(user)


def record_activity(request: HttpRequest, *, now: datetime) -> None:
    """Note that the person did something, at most once a minute, and where; so every session can be seen and ended."""
    active_at = request.session.get(ACTIVE_KEY)
    if not isinstance(active_at, int | float) or abs(now.timestamp() - active_at) > PRECISION:
        request.session[ACTIVE_KEY] = int(now.timestamp())
        record_place(request, now=now)


def record_place(request: HttpRequest, *, now: datetime) -> None:
    """Note from where and with which program the session is used, however it began."""
    if not request.session.session_key:
        request.session.save()
    seen = {
        "user": request.user,
        "ip": get_client_ip(request),
        "user_agent": request.headers.get("User-Agent", "")[:200],
        "last_seen_at": now,
    }
    UserSession.objects.update_or_create(session_key=request.session.session_key, defaults=seen)


def is_too_old(request: HttpRequest, *, now: datetime) -> bool:
    """Whether the person signed in so long ago that they prove again who they are, however active they were."""
    records = get_authentication_records(request, request.user)
    began = min((record["at"] for record in records), default=now.timestamp())
    return bool(now.timestamp() - began > LONGEST_SESSION.total_seconds())


def list_sessions(user: User, *, now: datetime) -> list[UserSession]:
    """The user's sessions that are alive, the newest first."""
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    return list(UserSession.objects.filter(user=user, session_key__in=alive).order_by("-last_seen_at"))


def end_sessions(user: User, *, but: str | None = None) -> int:
    """End every session of the user, at once, but the one with this key; answer how many."""
    with transaction_if_not_already():
        found = UserSession.objects.filter(user=user).exclude(session_key=but or "")
        keys = list(found.values_list("session_key", flat=True))
        Session.objects.filter(session_key__in=keys).delete()
        found.delete()
    return len(keys)


def close_ended_session(request: HttpRequest) -> None:
    """Sign this browser out if its session was ended while its request was served, so that it is not written again."""
    key = request.session.session_key
    if key and not request.session.exists(key):
        logout(request)


def delete_expired_sessions(*, now: datetime) -> int:
    """Delete sessions that have expired, and what was noted about sessions that are gone; answer how many."""
    count, _ = Session.objects.filter(expire_date__lte=now).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return count
