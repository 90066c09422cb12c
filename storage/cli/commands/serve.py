"""``serve``: the HTTP service."""

import signal
from types import FrameType

from storage.bootstrap import open_store
from storage.cli.options import AsJson
from storage.cli.output import print_json, print_note
from storage.errors import SettingsError
from storage.logs import make_logger
from storage.settings import load_settings


def serve(as_json: AsJson = False) -> None:
    """Serve the OpenAI-compatible Files of the tenants over HTTP.

    Settings come from DOMICILE_SERVICE__*. Without TLS it listens on this machine alone. Customers
    need a key: domicile apikey create. SIGTERM or SIGINT ends it after the answers that are being
    made. The log is on stderr.
    """
    settings = load_settings()
    try:
        from storage.service import bind, create_app, run  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The HTTP service needs the package {error.name}.",
            advice="Run: pip install 'domicile[service]'",
        ) from error
    log = make_logger()
    with open_store(settings, log=log) as store, bind(settings.service) as listener:
        host, port = listener.getsockname()[:2]
        if not as_json:
            print_note(f"The service listens on {host}, port {port}.")
        _end_with_the_store()
        run(create_app(store, settings.service, log), settings.service, listener, log)
    if as_json:
        print_json({"stopped": True})


def _end_with_the_store() -> None:
    """Have the signals that have ended the server end nothing else: the store is still closed."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        return

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, ignore)
