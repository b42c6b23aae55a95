"""Serves the page on one address, without files, to requests of the same origin only."""

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    import gradio as gr

# What a page without uploads, downloads and media requests. Gradio's other routes (file=, proxy=,
# upload, ...) are refused.
_PAGES = frozenset(("/", "/config", "/theme.css", "/favicon.ico", "/robots.txt"))
_CALLS = ("queue/join", "queue/data", "info", "startup-events", "app_id", "theme.css", "reset",
          "cancel")  # fmt: skip
_FOLDERS = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
# Keeps the browser from requests to other hosts.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


def _is_served(path: str) -> bool:
    """Tells whether the page needs this path (decoded, from the first slash)."""
    if ".." in path or "\\" in path or "//" in path or "\0" in path:
        return False
    is_call = path.removeprefix("/gradio_api/") in _CALLS and path.startswith("/gradio_api/")
    return path in _PAGES or is_call or path.startswith(_FOLDERS)


class _Guard:
    """Refuses paths that the page does not need, and adds `_HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_served(scope["path"]):
            answer = PlainTextResponse("refused: this page serves no files", status_code=403)
            await answer(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


def make_app(blocks: "gr.Blocks", *, host: str, **look: Any) -> FastAPI:
    """Puts the page behind its guards.

    Args:
        blocks: the page.
        host: the address it listens on.
        look: theme, css and head.
    """
    import gradio as gr

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Guard)
    # Refuses other host names that resolve to this machine (DNS rebinding).
    names = ["127.0.0.1", "localhost", "[::1]"] if is_loopback(host) else ["*"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=names)
    closed = {"allowed_paths": [], "ssr_mode": False, "enable_monitoring": False}
    closed |= {"footer_links": [], "run_history": False}
    return gr.mount_gradio_app(app, blocks, path="/", server_name=host, **closed, **look)


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """Opens the socket to serve on.

    Args:
        host: name or address.
        port: 0 takes a free one.

    Raises:
        ValueError: it cannot be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"--host {host} --port {port}: {error}; choose another --port (0: a free one)"
        ) from None


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serves until Ctrl-C.

    Args:
        app: from `make_app`.
        listener: socket from `bind`.
    """
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
