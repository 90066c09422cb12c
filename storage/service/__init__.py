"""The HTTP service: OpenAI-compatible Files over a store. It uses the public API alone.

Needs the extra ``service``.
"""

from storage.service.app import create_app
from storage.service.server import bind, run

__all__ = ["bind", "create_app", "run"]
