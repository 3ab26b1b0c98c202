"""Names of our cookies. Over https they begin with `__Host-`: a browser then takes them from this host alone."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class MessageCookies(CookieStorage):
    """Messages in a cookie of ours."""

    cookie_name = f"{settings.COOKIE_PREFIX}messages"


class MessageStorage(FallbackStorage):
    """Messages in a cookie, and in the session what does not fit."""

    storage_classes = (MessageCookies, SessionStorage)
