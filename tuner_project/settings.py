"""The settings, and the only reader of the environment.

`.env.example` lists every variable. An invalid value aborts the start with a message that names the
variable. This module assembles the service, so it is the only one of the frame that names apps, in
settings of Django and DRF that need a dotted name (INSTALLED_APPS, MIDDLEWARE, REST_FRAMEWORK).
Everything else the apps register themselves (`tuner_project.extensions`).
"""

import os
import warnings
from datetime import timedelta
from importlib.metadata import distribution
from pathlib import Path

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from environ import Env

from tuner_project import __version__
from tuner_project.db.pool import PoolConnection
from tuner_project.embedded_postgres import EmbeddedPostgres
from tuner_project.environment import Environment, is_loopback
from tuner_project.extensions import OPENAPI_ENUMS
from tuner_project.observability.logs import FORMATS, LEVELS, logging_config

# Set before NumPy is imported: its threads and PyTorch's would compete for the cores (see Optuna's
# documentation of GPSampler).
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A checkout and the image keep their files beside the code, wherever a command is started. An
# installed package, which has its metadata beside it, keeps them in the current folder.
_code = Path(__file__).resolve().parent.parent
_is_installed = any(_code.glob("tuner_service-*.dist-info"))
BASE_DIR = Path.cwd() if _is_installed else _code
COMMAND = "tuner-server" if _is_installed else "manage.py"  # in messages that say what to run
Env.read_env(os.environ.get("TUNER_ENV_FILE", BASE_DIR / ".env"))
env = Environment(Env())

DEBUG = env.boolean("DEBUG", False)
VERSION = __version__

# The folder of the embedded database and of the generated secret.
_data_dir = env.text("TUNER_DATA_DIR", "")
DATA_DIR = Path(_data_dir).expanduser().resolve() if _data_dir else BASE_DIR / ".data"

# Database --------------------------------------------------------------------------------
_database_url = env.text("DATABASE_URL", "")
EMBEDDED_POSTGRES = None if _database_url else EmbeddedPostgres(DATA_DIR, fallback=not _data_dir)

HOST = env.address("HOST", "127.0.0.1" if EMBEDDED_POSTGRES else "0.0.0.0")  # noqa: S104
PORT = env.integer("PORT", 8000, 1, 65535)
WEB_WORKERS = env.integer("WEB_WORKERS", 2, 1, 256)
WEB_THREADS = env.integer("WEB_THREADS", 4, 1, 256)
# How many requests may wait for a thread of a process, and for how many seconds; the others get
# a 503.
WEB_WAITING = env.integer("WEB_WAITING", 100, 0, 1000)
WEB_WAITING_TIMEOUT = env.integer("WEB_WAITING_TIMEOUT", 30, 1, 600)
WEB_GRACEFUL_TIMEOUT = env.integer("WEB_GRACEFUL_TIMEOUT", 25, 0, 3600)

# At least one connection per thread, because a thread that waits for a connection may hold a lock
# that another thread waits for.
_pool_max_size = env.integer("DB_POOL_MAX_SIZE", WEB_THREADS + 1, WEB_THREADS, 1000)
_pool = {
    "min_size": env.integer("DB_POOL_MIN_SIZE", 1, 0, _pool_max_size),
    "max_size": _pool_max_size,
    "timeout": env.integer("DB_POOL_TIMEOUT", 10, 1, 600),
    # Seconds for which the pool retries a failed connection in the background.
    "reconnect_timeout": 5,
    "connection_class": PoolConnection,
}
DATABASES = {
    "default": env.postgresql(
        "DATABASE_URL", default=EMBEDDED_POSTGRES.url() if EMBEDDED_POSTGRES else ""
    )
}
DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
DATABASES["default"]["OPTIONS"]["pool"] = _pool
# Whether connections go through a pooler such as PgBouncer in transaction mode, where each
# transaction may run in another session.
DB_POOLER = env.boolean("DB_POOLER", False)
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DB_POOLER
# Timeout of each statement of a request, in seconds; 0: none.
DB_STATEMENT_TIMEOUT = env.integer("DB_STATEMENT_TIMEOUT", 30, 0, 24 * 3600)
# Whether connections prepare the statements of `tuner_project.db.prepared`.
DB_PREPARED_STATEMENTS = env.boolean("DB_PREPARED_STATEMENTS", not DB_POOLER)

# Security --------------------------------------------------------------------------------
SECRET_KEY = env.text("SECRET_KEY", "")
# The file in which `serve` stores a generated key, so that sessions survive a restart.
SECRET_KEY_FILE = None
if not SECRET_KEY:
    if EMBEDDED_POSTGRES is None:
        raise ImproperlyConfigured("SECRET_KEY is not set: expected a long random text")
    SECRET_KEY_FILE = EMBEDDED_POSTGRES.home / "secret_key"
    _kept = SECRET_KEY_FILE.read_text().strip() if SECRET_KEY_FILE.is_file() else ""
    SECRET_KEY = _kept or get_random_secret_key()

_loopback = ["localhost", "127.0.0.1", "[::1]"]
_is_local = is_loopback(HOST)
# Whether clients need a token. By default they do, unless the database is embedded and only this
# machine can reach the service.
AUTH_REQUIRED = env.boolean("AUTH_REQUIRED", not (EMBEDDED_POSTGRES and _is_local))
# Requests per minute for a token and for an address; 0: unlimited.
RATE_LIMIT_READS = env.integer("RATE_LIMIT_READS", 30_000 * AUTH_REQUIRED, 0, 10_000_000)
RATE_LIMIT_WRITES = env.integer("RATE_LIMIT_WRITES", 30_000 * AUTH_REQUIRED, 0, 10_000_000)
RATE_LIMIT_ADDRESS_READS = env.integer(
    "RATE_LIMIT_ADDRESS_READS", 60_000 * AUTH_REQUIRED, 0, 10_000_000
)
RATE_LIMIT_ADDRESS_WRITES = env.integer(
    "RATE_LIMIT_ADDRESS_WRITES", 60_000 * AUTH_REQUIRED, 0, 10_000_000
)
# Limits; 0: unlimited. MAX_RUNNING_TRIALS is per token, over all studies.
MAX_RUNNING_TRIALS = env.integer("MAX_RUNNING_TRIALS", 0, 0, 10_000_000)
MAX_STUDIES = env.integer("MAX_STUDIES", 0, 0, 1_000_000)
MAX_TRIALS_PER_STUDY = env.integer("MAX_TRIALS_PER_STUDY", 0, 0, 2**31 - 1)
# Maximum size of the user attributes in one request, in bytes of JSON; 0: unlimited.
MAX_ATTRIBUTE_BYTES = env.integer("MAX_ATTRIBUTE_BYTES", 64 * 1024, 0, 2**30)
# Maximum size of a trial's user attributes, and the number of its intermediate values, to which
# workers add over time; 0: unlimited.
MAX_TRIAL_ATTRIBUTE_BYTES = env.integer("MAX_TRIAL_ATTRIBUTE_BYTES", 256 * 1024, 0, 2**30)
MAX_STEPS_PER_TRIAL = env.integer("MAX_STEPS_PER_TRIAL", 100_000, 0, 2**31 - 1)
# A page of a list ends once its items have about this size in bytes.
MAX_PAGE_BYTES = env.integer("MAX_PAGE_BYTES", 16 * 2**20, 1024, 2**30)
# Health checks from this machine are always allowed.
ALLOWED_HOSTS = [
    *env.hosts("ALLOWED_HOSTS", [] if _is_local else ["*"]),
    *_loopback,
]
CORS_ALLOWED_ORIGINS = env.origins(
    "CORS_ORIGINS", ["http://localhost:3000", "http://localhost:8080"]
)
CORS_ALLOW_HEADERS = [*default_headers, "if-none-match", "x-request-id"]
# Date and Retry-After are what a worker in a browser times its heartbeats and retries by.
CORS_EXPOSE_HEADERS = ["Date", "ETag", "Link", "Retry-After", "X-Request-ID", "X-Total-Count"]
CORS_URLS_REGEX = r"^/api/v1/"
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS", [])
# How many proxies append to X-Forwarded-For, from which the client's address is taken.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, 0, 10)

# Logins to the admin.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first, to reject logins after too many failures
    "django.contrib.auth.backends.ModelBackend",
]
AXES_HANDLER = "tuner_project.security.logins.LoginHandler"
AXES_FAILURE_LIMIT = env.integer("LOGIN_FAILURES_LIMIT", 5, 1, 1000)
AXES_COOLOFF_TIME = timedelta(seconds=env.integer("LOGIN_COOLOFF_SECONDS", 900, 1, 30 * 24 * 3600))
LOGIN_REDIRECT_URL = "admin:index"  # where `next` is missing, or on another site
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "tuner_project.security.logins.address"
AXES_USERNAME_CALLABLE = "tuner_project.security.logins.name"
AXES_LOCKOUT_CALLABLE = "tuner_project.security.logins.locked_out"
AXES_RESET_ON_SUCCESS = True
# Attempts during a lockout are not stored: they neither fill the table nor extend the lockout.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True  # store failures only
AXES_ENABLE_ADMIN = False  # the console has its own page for them
AXES_VERBOSE = False

# Whether a proxy terminates TLS, which the service cannot detect. If it is true without such a
# proxy, all clients are locked out, and browsers for as long as HSTS lasts. If it is false, the
# system check tuner.W003 warns.
HTTPS = env.boolean("HTTPS", False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Health checks and Prometheus access the service without the proxy.
    SECURE_REDIRECT_EXEMPT = [r"^api/v1/(health|ready)$", r"^metrics$"]
    SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", 30 * 24 * 3600, 0, 10 * 365 * 24 * 3600)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SILENCED_SYSTEM_CHECKS = [
    # HSTS for subdomains and preloading are decisions of the domain's owner.
    *("security.W005", "security.W021"),
    # Without HTTPS, tuner.W003 replaces these four.
    *([] if HTTPS else [f"security.W0{number}" for number in ("04", "08", "10", "16")]),
]

# Larger bodies are rejected with 413, without reading them.
MAX_BODY_BYTES = env.integer("MAX_BODY_BYTES", 2**20, 1024, 2**30)
MAX_IMPORT_BYTES = env.integer("MAX_IMPORT_BYTES", 2**30, 1024, 2**40)
# How many imports a process runs at the same time; each occupies a thread, and its file a part of
# the temporary folder.
MAX_PARALLEL_IMPORTS = env.integer("MAX_PARALLEL_IMPORTS", max(1, WEB_THREADS // 2), 1, WEB_THREADS)
# Seconds for which a slow client may block a thread (`serving/slow_clients.py`).
CLIENT_TIMEOUT = env.integer("CLIENT_TIMEOUT", 30, 1, 3600)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES  # for the admin's forms

# Days after which `purge` deletes them.
KEEP_DEAD_TOKENS_DAYS = env.integer("KEEP_DEAD_TOKENS_DAYS", 90, 0, 36_500)
KEEP_AUDIT_DAYS = env.integer("KEEP_AUDIT_DAYS", 0, 0, 36_500)  # 0: never
KEEP_LOGS_DAYS = env.integer("KEEP_LOGS_DAYS", 0, 0, 36_500)  # 0: never

# Events ----------------------------------------------------------------------------------
KEEP_EVENTS_DAYS = env.integer("KEEP_EVENTS_DAYS", 30, 1, 36_500)
# Seconds without results and signs of life after which something has stalled; 0: never.
STALLED_SECONDS = env.integer("STALLED_SECONDS", 3600, 0, 366 * 24 * 3600)
MAX_WEBHOOKS = env.integer("MAX_WEBHOOKS", 100, 0, 10_000)
# Hosts that webhooks may name though their addresses are private: names, `*.domain`, or addresses.
WEBHOOK_ALLOWED_HOSTS = env.webhook_hosts("WEBHOOK_ALLOWED_HOSTS", [])

# Optimisation ----------------------------------------------------------------------------
MAX_LEASE_SECONDS = 366 * 24 * 3600
# For studies without an explicit one; the app `studies` checks that the names exist
# (studies.domain.defaults).
DEFAULT_SAMPLER = env.text("DEFAULT_SAMPLER", "tpe").strip()
DEFAULT_PRUNER = env.text("DEFAULT_PRUNER", "hyperband").strip()
# Seconds after which a trial's lease expires unless it is renewed; unset: never.
DEFAULT_LEASE_SECONDS = env.seconds("DEFAULT_LEASE_SECONDS", MAX_LEASE_SECONDS)
# How many trials a process keeps in memory for its samplers, over all studies; those of more than
# ten parameters count for more.
HISTORY_MAX_TRIALS = env.integer("HISTORY_MAX_TRIALS", 500_000, 1, 1_000_000_000)

# Django ----------------------------------------------------------------------------------
INSTALLED_APPS = [
    # Has the base class of our tokens. Its own model is unused, so the console hides it.
    "rest_framework_api_key",
    "console",  # it and the next app precede the admin, because they override its templates
    "tuner_project",
    "console.admin_config.ConsoleAdminConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "corsheaders",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "access",
    "studies",
    "trials",
    "events",
    "transfer",
    "analysis",
]
# Requests of the API pass by those of `page_middleware`.
MIDDLEWARE = [
    "tuner_project.observability.request_id.RequestIdMiddleware",  # first, for all log records
    "tuner_project.observability.access_log.AccessLogMiddleware",
    "tuner_project.observability.request_metrics.MetricsMiddleware",
    "tuner_project.security.content_policy.PolicyMiddleware",  # before all that may respond
    "django.middleware.security.SecurityMiddleware",
    "tuner_project.page_middleware.PageStaticFiles",
    "tuner_project.rest.middleware.OriginMiddleware",
    "tuner_project.serving.overload.OverloadMiddleware",
    "tuner_project.rest.middleware.FaultMiddleware",
    "tuner_project.rest.middleware.BodyMiddleware",
    "tuner_project.page_middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "tuner_project.page_middleware.SessionUsers",
    "tuner_project.page_middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it replaces the response to a locked-out login
]
ROOT_URLCONF = "tuner_project.urls"
WSGI_APPLICATION = "tuner_project.wsgi.application"
APPEND_SLASH = False  # the API has no trailing slashes; urls.py adds the admin's
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Scripts in Python packages, located without importing the packages, which would take seconds.
STATICFILES_DIRS = [
    ("plotly", distribution("plotly").locate_file("plotly/package_data")),
    ("optuna_dashboard", distribution("optuna-dashboard").locate_file("optuna_dashboard/public")),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Without collectstatic, as in a checkout, static files are served from the packages.
WHITENOISE_USE_FINDERS = not any(STATIC_ROOT.glob("[!.]*"))
if WHITENOISE_USE_FINDERS:
    # WhiteNoise's, of each process: an installed package has no such folder to begin with.
    warnings.filterwarnings("ignore", "No directory at: ", UserWarning)

# Observability ---------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", LEVELS)
LOG_FORMAT = env.choice("LOG_FORMAT", "line" if EMBEDDED_POSTGRES else "json", FORMATS)
ACCESS_LOG = env.boolean("ACCESS_LOG", EMBEDDED_POSTGRES is None)
# The token for /metrics; unset: the metrics are open if the API is.
METRICS_TOKEN = env.text("METRICS_TOKEN", "")
# A slower ask is logged with the times of its parts.
SLOW_ASK_SECONDS = env.seconds("SLOW_ASK_SECONDS", 3600) or 5.0
LOGGING = logging_config(
    LOG_FORMAT,
    LOG_LEVEL,
    packages=[
        "tuner_project",
        "optuna_bridge",
        "access",
        "studies",
        "trials",
        "events",
        "transfer",
        "analysis",
        "console",
        "gunicorn",
    ],
    access_log=ACCESS_LOG,
)

# REST ------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["tuner_project.rest.renderers.CompactJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tuner_project.rest.parsers.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "access.api.authentication.TokenAuthentication",
        "access.api.authentication.StaffAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["access.api.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["access.api.throttling.RequestThrottle"],
    "DEFAULT_SCHEMA_CLASS": "tuner_project.rest.openapi.TunerSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tuner_project.rest.negotiation.AlwaysJSON",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "tuner_project.rest.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "STRICT_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tuner",
    "DESCRIPTION": "Hyperparameter optimisation by ask and tell, over Optuna and PostgreSQL.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],  # the documentation is public
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": OPENAPI_ENUMS,  # filled by the apps in AppConfig.ready()
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tuner_project.rest.openapi.apply_registered_hooks",
        "tuner_project.rest.openapi_links.add_links",
    ],
}
