"""Settings of every process, read from the environment; a missing secret stops the start."""

from email.utils import parseaddr
from pathlib import Path

import environ
from django.utils.csp import CSP

from wisepay.logs import configure_logs

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
env.read_env(str(BASE_DIR / ".env"), overwrite=False)
HOME = Path(env.str("WISEPAY_HOME", default=str(BASE_DIR / "var")))

# ---- what must be given -------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY")
# Keys that SECRET_KEY replaced: sessions and mailed links that were signed with them go on.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
SECRET_KEYS = env.str("WISEPAY_SECRET_KEYS")  # "k2:<base64>,k1:<base64>", the newest first
# The audit log is signed with these, in the same form; without them with keys derived from those above.
AUDIT_KEY = env.str("AUDIT_KEY", default="")
AUDIT_HEADS_FILE = env.str("AUDIT_HEADS_FILE", default="")  # copies of the log's newest head, best on another machine
AUDIT_RETENTION_MONTHS = env.int("AUDIT_RETENTION_MONTHS", default=84)
DATABASES = {"default": env.db("DATABASE_URL")}
REDIS_URL = env.str("REDIS_URL")
PUBLIC_URL = env.str("PUBLIC_URL").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")

DEMO = env.bool("WISEPAY_DEMO", default=False)
DEBUG = False
SECURE = PUBLIC_URL.startswith("https://")

# ---- the application ----------------------------------------------------------------------------
INSTALLED_APPS = [
    # From the ground up: each floor's AppConfig.ready finds the floors below registered.
    "wisepay",
    "wisepay.social",
    "merchants",
    "connections",
    "payers",
    "payments",
    "accounting",
    "quotes",
    "psa",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "django_filters",
    "django_htmx",
    "django_tables2",
    "wisepay.apps.OperatorsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "wisepay.middleware.NoStoreMiddleware",
    "wisepay.middleware.ReadableCookiesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "wisepay.budgets.VendorCallMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "wisepay.middleware.SessionPolicyMiddleware",
    "wisepay.middleware.ReadableCredentialsMiddleware",
    "wisepay.views.show_wrong_method",
]
ROOT_URLCONF = "wisepay.urls"
WSGI_APPLICATION = "wisepay.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django.templatetags.i18n", "wisepay.templatetags.wisepay", "merchants.templatetags.access"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES["default"] |= {
    "ENGINE": "django.db.backends.postgresql",
    "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60),
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": DATABASES["default"].get("OPTIONS", {}) | {"connect_timeout": 5},
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# ---- people -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "wisepay.User"
SILENCED_SYSTEM_CHECKS = ["auth.W004"]  # one user per e-mail address: a unique index without regard to case
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "wisepay.accounts.passwords.ContextWordsValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "wisepay.accounts.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "confirm_login_code": "wisepay.accounts.forms.LoginCodeForm",
    "reset_password": "wisepay.accounts.forms.PasswordResetForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
# The mailed code of the first sign-in verifies an address as well, so most people never meet the extra link.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SECURE else "http"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_LOGIN_BY_CODE_FORMAT = {"numeric": True, "length": 6, "dashed": False}
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 600
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# The key of a failed sign-in is the address *and* the network or the known browser, so that nobody locks others out.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,5/5m/key",
    "reauthenticate": "5/m/user",
    "confirm_email": "3/5m/key",
    "reset_password": "20/h/ip,5/h/key",
}
PASSWORD_RESET_TIMEOUT = 3600  # seconds that the link of a reset mail works
MFA_ADAPTER = "wisepay.accounts.adapters.MfaAdapter"
MFA_FORMS = {
    "authenticate": "wisepay.accounts.forms.FactorCodeForm",
    "reauthenticate": "wisepay.accounts.forms.FactorCodeAgainForm",
    "activate_totp": "wisepay.accounts.forms.ActivateAppForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Wise-Pay"
MFA_TOTP_TOLERANCE = 0  # a code lives for its own 30 seconds
MFA_RECOVERY_CODES_SHOW_ONCE = True
SOCIALACCOUNT_ADAPTER = "wisepay.social.adapter.SocialAdapter"
# A provider without a client id shows no button. EMAIL_IS_VERIFIED: it sends no `email_verified`, yet it checks.
XERO_OIDC_CLIENT_ID = env.str("XERO_OIDC_CLIENT_ID", default="")
XERO_OIDC_CLIENT_SECRET = env.str("XERO_OIDC_CLIENT_SECRET", default="")
XERO_OIDC_SERVER_URL = env.str("XERO_OIDC_SERVER_URL", default="https://identity.xero.com")
XERO_OIDC_EMAIL_IS_VERIFIED = env.bool("XERO_OIDC_EMAIL_IS_VERIFIED", default=False)
MICROSOFT_OIDC_CLIENT_ID = env.str("MICROSOFT_OIDC_CLIENT_ID", default="")
MICROSOFT_OIDC_CLIENT_SECRET = env.str("MICROSOFT_OIDC_CLIENT_SECRET", default="")
MICROSOFT_OIDC_SERVER_URL = env.str(
    "MICROSOFT_OIDC_SERVER_URL", default="https://login.microsoftonline.com/organizations/v2.0"
)
MICROSOFT_OIDC_EMAIL_IS_VERIFIED = env.bool("MICROSOFT_OIDC_EMAIL_IS_VERIFIED", default=False)
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT

# ---- pages --------------------------------------------------------------------------------------
# Sentences that a payer reads are marked for gettext. Nothing chooses a language yet: LocaleMiddleware would turn
# the framework's own sentences over to a browser's language, and leave ours beside them in English.
LANGUAGE_CODE = "en"
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if env.bool("COLLECTED_STATIC", default=False)
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not env.bool("COLLECTED_STATIC", default=False)

# ---- safety -------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = SECURE and env.bool("SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
COOKIE_PREFIX = "__Host-" if SECURE else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
MESSAGE_STORAGE = "wisepay.cookies.MessageStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_FAILURE_VIEW = "wisepay.views.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "report-uri": ["/csp-reports"],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 512 * 1024  # bytes; the largest that anybody sends is a quote of five hundred lines

# ---- limits against card testing ----------------------------------------------------------------
# Declines, and tries that nobody has answered yet; a success is not counted. A number an hour, but for the first.
DECLINES_PER_PAYMENT = env.int("DECLINES_PER_PAYMENT", default=5)
DECLINES_PER_NETWORK_HOUR = env.int("DECLINES_PER_NETWORK_HOUR", default=10)  # an IPv4 address, or an IPv6 /64
DECLINES_PER_IPV6_56_HOUR = env.int("DECLINES_PER_IPV6_56_HOUR", default=10)
DECLINES_PER_IPV6_48_HOUR = env.int("DECLINES_PER_IPV6_48_HOUR", default=10)
DECLINES_PER_ADDRESS_HOUR = env.int("DECLINES_PER_ADDRESS_HOUR", default=15)  # the e-mail address that is typed
DECLINES_PER_ACCOUNT_HOUR = env.int("DECLINES_PER_ACCOUNT_HOUR", default=15)
DECLINES_PER_COMPANY_HOUR = env.int("DECLINES_PER_COMPANY_HOUR", default=20)
DECLINES_PER_MERCHANT_HOUR = env.int("DECLINES_PER_MERCHANT_HOUR", default=50)  # then no new cards for an hour

# ---- limits on what strangers cause: mails, calls of vendors -------------------------------------
MAILS_PER_ADDRESS_HOUR = env.int("MAILS_PER_ADDRESS_HOUR", default=6)
MAILS_PER_NETWORK_HOUR = env.int("MAILS_PER_NETWORK_HOUR", default=30)
MAILS_PER_LINK_HOUR = env.int("MAILS_PER_LINK_HOUR", default=10)  # by registering with one Pay Now link
INVITATIONS_PER_PERSON_HOUR = env.int("INVITATIONS_PER_PERSON_HOUR", default=60)  # by one person of a merchant
MEMBER_INVITATIONS_PER_MERCHANT_HOUR = env.int("MEMBER_INVITATIONS_PER_MERCHANT_HOUR", default=30)
SIGN_IN_FAILURES_PER_ADDRESS_HOUR = env.int("SIGN_IN_FAILURES_PER_ADDRESS_HOUR", default=50)  # then known browsers only
SIGN_IN_FAILURES_PER_NETWORK_HOUR = env.int("SIGN_IN_FAILURES_PER_NETWORK_HOUR", default=100)  # likewise
DOCUMENTS_PER_PERSON_HOUR = env.int("DOCUMENTS_PER_PERSON_HOUR", default=30)  # invoice PDFs that are not stored here
FILES_PER_PERSON_HOUR = env.int("FILES_PER_PERSON_HOUR", default=40)  # lists as CSV or Excel
DOCUMENT_CACHE_MEGABYTES = env.int("DOCUMENT_CACHE_MEGABYTES", default=500)  # of invoice PDFs in the database
STATUS_CHECKS_PER_TEN_SECONDS = env.int("STATUS_CHECKS_PER_TEN_SECONDS", default=3)  # of one attempt or setup
QUOTE_LINKS_PER_NETWORK_MINUTE = env.int("QUOTE_LINKS_PER_NETWORK_MINUTE", default=12)  # links of quotes followed
QUOTE_LINKS_PER_MERCHANT_MINUTE = env.int("QUOTE_LINKS_PER_MERCHANT_MINUTE", default=60)
QUOTE_READINGS_PER_MINUTE = env.int("QUOTE_READINGS_PER_MINUTE", default=10)  # of one quote, before it is charged
PAYNOW_LINKS_PER_NETWORK_MINUTE = env.int("PAYNOW_LINKS_PER_NETWORK_MINUTE", default=60)  # links of invoices followed
INVOICE_GUESSES_PER_NETWORK_HOUR = env.int("INVOICE_GUESSES_PER_NETWORK_HOUR", default=20)  # that fit nothing
INVOICE_GUESSES_PER_MERCHANT_HOUR = env.int("INVOICE_GUESSES_PER_MERCHANT_HOUR", default=300)
INVOICE_READINGS_PER_MINUTE = env.int("INVOICE_READINGS_PER_MINUTE", default=10)  # of one invoice, by its link
VENDOR_CALLS_PER_PERSON_MINUTE = env.int("VENDOR_CALLS_PER_PERSON_MINUTE", default=60)
VENDOR_CALLS_PER_NETWORK_MINUTE = env.int("VENDOR_CALLS_PER_NETWORK_MINUTE", default=60)  # by people not signed in

# ---- the outside world --------------------------------------------------------------------------
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
STRIPE_RELEASE = "endive"  # Stripe.js of another release than the SDK's API version may not fit it; a test ties them
STRIPE_JS_URL = env.str("STRIPE_JS_URL", default=f"https://js.stripe.com/{STRIPE_RELEASE}/stripe.js")
XERO_AUTHORIZE_URL = env.str("XERO_AUTHORIZE_URL", default="https://login.xero.com/identity/connect/authorize")
XERO_IDENTITY_URL = env.str("XERO_IDENTITY_URL", default="https://identity.xero.com")
XERO_CONNECTIONS_URL = env.str("XERO_CONNECTIONS_URL", default="https://api.xero.com/Connections")
XERO_API_URL = env.str("XERO_API_URL", default="https://api.xero.com/api.xro/2.0")
XERO_SCOPES = env.str("XERO_SCOPES", default="granular")  # "broad" for an app that Xero gave the older scopes
XERO_PAYMENT_SERVICES = env.bool("XERO_PAYMENT_SERVICES", default=False)  # for an app with the scope `paymentservices`
XERO_CLIENT_ID = env.str("XERO_CLIENT_ID", default="")
XERO_CLIENT_SECRET = env.str("XERO_CLIENT_SECRET", default="")
# Apps of their own for two of the three tiers, each with a call budget of its own; without them the first serves all.
XERO_COMPANY_CLIENT_ID = env.str("XERO_COMPANY_CLIENT_ID", default="")
XERO_COMPANY_CLIENT_SECRET = env.str("XERO_COMPANY_CLIENT_SECRET", default="")
XERO_SERVICE_CLIENT_ID = env.str("XERO_SERVICE_CLIENT_ID", default="")
XERO_SERVICE_CLIENT_SECRET = env.str("XERO_SERVICE_CLIENT_SECRET", default="")
# "id=secret,id=secret": apps that make no new connections, while those made with them still live.
XERO_RETIRED_CLIENTS = env.dict("XERO_RETIRED_CLIENTS", default={})
# The keys that Xero signs its webhooks with, one an app that listens, with commas between them.
XERO_WEBHOOK_KEY = env.str("XERO_WEBHOOK_KEY", default="")
XERO_DAY_LIMIT = env.int("XERO_DAY_LIMIT", default=5_000)  # calls a day to one organisation; Xero's Starter tier: 1,000
INTUIT_AUTHORIZE_URL = env.str("INTUIT_AUTHORIZE_URL", default="https://appcenter.intuit.com/connect/oauth2")
INTUIT_TOKEN_URL = env.str("INTUIT_TOKEN_URL", default="https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer")
INTUIT_REVOKE_URL = env.str("INTUIT_REVOKE_URL", default="https://developer.api.intuit.com/v2/oauth2/tokens/revoke")
INTUIT_API_URL = env.str("INTUIT_API_URL", default="https://quickbooks.api.intuit.com/v3")
# The verifier token that Intuit signs its webhooks with; of several apps one each, with commas between them.
INTUIT_WEBHOOK_VERIFIER = env.str("INTUIT_WEBHOOK_VERIFIER", default="")
INTUIT_CLIENT_ID = env.str("INTUIT_CLIENT_ID", default="")
INTUIT_CLIENT_SECRET = env.str("INTUIT_CLIENT_SECRET", default="")
INTUIT_COMPANY_CLIENT_ID = env.str("INTUIT_COMPANY_CLIENT_ID", default="")
INTUIT_COMPANY_CLIENT_SECRET = env.str("INTUIT_COMPANY_CLIENT_SECRET", default="")
INTUIT_SERVICE_CLIENT_ID = env.str("INTUIT_SERVICE_CLIENT_ID", default="")
INTUIT_SERVICE_CLIENT_SECRET = env.str("INTUIT_SERVICE_CLIENT_SECRET", default="")
INTUIT_RETIRED_CLIENTS = env.dict("INTUIT_RETIRED_CLIENTS", default={})
QUICKBOOKS_BATCH = env.int("QUICKBOOKS_BATCH", default=30)  # operations that one batch may hold
QUICKBOOKS_A_SECOND = env.int("QUICKBOOKS_A_SECOND", default=10)  # calls of one company
CPQ_API_URL = env.str("CPQ_API_URL", default="https://sellapi.quosalsell.com")
CPQ_CALLS_PER_MINUTE = env.int("CPQ_CALLS_PER_MINUTE", default=120)  # of one merchant; ConnectWise names no limit
CPQ_POLL_MINUTES = env.int("CPQ_POLL_MINUTES", default=5)  # between two looks for accepted quotes
CPQ_CALLS_IN_FLIGHT = env.int("CPQ_CALLS_IN_FLIGHT", default=4)
# The GUID that ConnectWise gave to this installation; without it no merchant can connect ConnectWise PSA.
PSA_CLIENT_ID = env.str("PSA_CLIENT_ID", default="")
PSA_API_VERSION = env.str("PSA_API_VERSION", default="2025.8")  # the model that PSA answers with; it lives 12 months
PSA_API_VERSION_ENDS = env.str("PSA_API_VERSION_ENDS", default="2026-08-31")
PSA_MINUTE_LIMIT = env.int("PSA_MINUTE_LIMIT", default=600)  # calls of one company
# PSAs on servers of one's own: "psa.msp.example=https://psa.msp.example", with commas between them.
PSA_SITE_URLS = env.str("PSA_SITE_URLS", default="")
# Networks besides the public ones to which callbacks may go, for a CPQ of one's own: "10.1.2.0/24,fd00:1::/48".
OUTBOUND_ALLOWED_NETWORKS = env.list("OUTBOUND_ALLOWED_NETWORKS", default=[])
HTTP_TIMEOUT = (3, 20)  # seconds to connect, seconds to answer

_mail = env.email("EMAIL_URL", default="consolemail://")
MAILERS = {
    "default": {
        "BACKEND": _mail["EMAIL_BACKEND"],
        "OPTIONS": {
            "host": _mail["EMAIL_HOST"],
            "port": _mail["EMAIL_PORT"],
            "username": _mail["EMAIL_HOST_USER"] or "",
            "password": _mail["EMAIL_HOST_PASSWORD"] or "",
            "use_tls": _mail.get("EMAIL_USE_TLS", False),
            "use_ssl": _mail.get("EMAIL_USE_SSL", False),
            "timeout": 10,
        }
        if _mail["EMAIL_HOST"]
        else {},
    }
}
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Wise-Pay <payments@wise-pay.example>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Where a finding about safety is reported, in /.well-known/security.txt: mailto:… or https://…
SECURITY_CONTACT = env.str("SECURITY_CONTACT", default="") or f"mailto:{parseaddr(DEFAULT_FROM_EMAIL)[1]}"

# ---- work in the background ---------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    # A wake-up is not worth waiting for: without these a lost broker holds a request 6 s for each.
    "max_retries": 0,
    "interval_start": 0,
    "global_keyprefix": env.str("REDIS_PREFIX", default="wisepay:"),
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 120
CELERY_TIMEZONE = "UTC"
# Every so many seconds; a turn that nobody has taken after so many is left out.
BEAT = [
    ("wisepay.tasks.sweep_outbox", 5, 5),
    ("wisepay.tasks.delete_done_messages", 3600, 60),
    ("wisepay.tasks.delete_expired_rows", 900, 600),
    ("payers.tasks.delete_unproved_people", 3600, 600),
    ("payments.tasks.check_payment_page", 3600, 600),
    ("payments.tasks.forget_old_devices", 3600, 600),
    ("wisepay.tasks.seal_audit_log", 60, 60),
    ("wisepay.tasks.delete_old_audit_entries", 86_400, 3600),
    ("accounting.tasks.import_ledger_lists", 86_400, 3600),
    ("accounting.tasks.sweep_postings", 60, 60),
    ("accounting.tasks.run_autopay", 60, 60),
    ("accounting.tasks.plan_autopay", 1800, 600),
    ("payments.tasks.check_webhooks", 600, 600),
    ("payments.tasks.follow_disputes", 21600, 600),
    ("payments.tasks.sync_balances", 300, 300),
    ("accounting.tasks.schedule_ledger_payment_syncs", 3600, 600),
    ("accounting.tasks.poll_ledgers", 20, 20),
    ("accounting.tasks.delete_old_pending_changes", 86_400, 3600),
    # Each provider says after how long without a success its connections are verified; see PROVIDERS.
    ("connections.tasks.check_connections", 15, 15),
    ("accounting.tasks.delete_old_documents", 600, 60),
    ("connections.tasks.delete_old_records", 600, 60),
    ("quotes.tasks.delete_expired_answers", 3600, 60),
    ("quotes.tasks.expire_quotes", 60, 60),
    ("quotes.tasks.poll_cpq", 60, 60),
    ("quotes.tasks.delete_old_polled_versions", 86_400, 3600),
    ("psa.tasks.poll_invoices", 900, 300),
    ("psa.tasks.check_connections", 3600, 600),
    ("psa.tasks.read_agreements", 3600, 600),
]
CELERY_BEAT_SCHEDULE = {
    task: {"task": task, "schedule": seconds, "options": {"expires": expires}} for task, seconds, expires in BEAT
}

# ---- logs ---------------------------------------------------------------------------------------
LOGGING_CONFIG = None
configure_logs(as_json=env.bool("LOG_JSON", default=not DEMO), level=env.str("LOG_LEVEL", default="INFO"))
