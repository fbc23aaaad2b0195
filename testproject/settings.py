"""Settings of the test project, all from the environment.

| variable | default |
|---|---|
| ``DATABASE_URL`` | ``sqlite:///…`` in the var directory; or ``mysql://user:password@host/name`` |
| ``CELERY_BROKER_URL`` | ``redis://127.0.0.1:6379/0`` |
| ``CELERY_RESULT_BACKEND`` | none: results are in the records |
| ``JOBS_FLOW_STORAGE_URL`` | ``redis://127.0.0.1:6379/0`` |
| ``CHANNEL_REDIS_URL`` | that of the storage; none where that is no Redis: nothing here needs it |
| ``SECRET_KEY`` | made once, kept in the var directory |
| ``ALLOWED_HOSTS`` | localhost, 127.0.0.1, [::1] |
| ``DJANGO_DEBUG`` | 0 |
| ``TESTPROJECT_VAR`` | ``var`` beside this package: database, uploads, plots, logs |
| ``JOBS_FLOW_DEMO`` | 0; 1 opens the one-time login link that the demo prints |
| ``DEMO_PACE`` | 0.25: seconds that the demo's tasks rest at each step, to be seen at work |
"""

import os
from pathlib import Path
from urllib.parse import quote

from testproject import environment

BASE_DIR = Path(__file__).resolve().parents[1]
VAR_DIR = Path(os.environ.get("TESTPROJECT_VAR") or BASE_DIR / "var").resolve()

_REDIS = "redis://127.0.0.1:6379/0"
_STORAGE = os.environ.get("JOBS_FLOW_STORAGE_URL") or _REDIS

DEBUG = environment.flag("DJANGO_DEBUG", False)
SECRET_KEY = environment.secret_key(VAR_DIR)
ALLOWED_HOSTS = environment.names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

JOBS_FLOW_DEMO = environment.flag("JOBS_FLOW_DEMO", False)
DEMO_PACE = environment.number("DEMO_PACE", 0.25)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "jobs_flow_django",
    "testproject.weather",
    "testproject.behaviours",
    "testproject.react_page",
    "testproject.playground",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "testproject.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page needs a login unless its view says otherwise.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "testproject.urls"
ASGI_APPLICATION = "testproject.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "testproject" / "templates"],
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

DATABASES = {
    "default": environment.database(
        os.environ.get("DATABASE_URL") or f"sqlite:///{quote(str(VAR_DIR / 'db.sqlite3'))}"
    ),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "weather:home"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "testproject" / "static"]
MEDIA_ROOT = VAR_DIR / "media"
MEDIA_URL = "files/"

#: Larger uploads of weather readings are refused.
WEATHER_UPLOAD_LIMIT = 1024 * 1024

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or _REDIS
if CELERY_BROKER_URL.startswith(("amqp://", "amqps://")):
    # RabbitMQ: queues that survive the loss of a node. Their delayed messages need an exchange of type topic.
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"
    CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "topic"
CELERY_RESULT_BACKEND = os.environ.get("CELERY_RESULT_BACKEND") or None
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

#: Seconds after which the tasks of a worker that has died are given to another one.
CELERY_JOBS_FLOW_LEASE = environment.number("JOBS_FLOW_LEASE", 30)

JOBS_FLOW = {"STORAGE": _STORAGE}

_CHANNELS = os.environ.get("CHANNEL_REDIS_URL") or (
    _STORAGE if _STORAGE.startswith(("redis://", "rediss://", "unix://")) else None
)
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [_CHANNELS]}}
    if _CHANNELS
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django": {"level": "INFO"}, "jobs_flow": {"level": "INFO"}},
}
