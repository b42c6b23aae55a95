"""How the page is served: on one address, without files, to its own origin alone."""

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

# All that a page without uploads, downloads and media asks for. Gradio's other routes, file=,
# proxy=, upload and the like, are refused whatever they ask for.
_PAGES = frozenset(("/", "/config", "/theme.css", "/favicon.ico", "/robots.txt"))
_FOLDERS = ("/assets/", "/static/", "/svelte/")
_CALLS = frozenset(
    f"/gradio_api/{name}"
    for name in ("queue/join", "queue/data", "info", "startup-events", "app_id", "theme.css",
                 "reset", "cancel")
)  # fmt: skip
_HEARTBEAT = "/gradio_api/heartbeat/"
# The browser itself asks no other place for anything.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)


def is_served(path: str) -> bool:
    """Whether the page has a use for this path (decoded, from the first slash)."""
    if ".." in path or "\\" in path or "//" in path or "\0" in path:
        return False
    known = path in _PAGES or path in _CALLS or path.startswith(_FOLDERS)
    return known or path.startswith(_HEARTBEAT)


class _Guard:
    """Refuses what the page has no use for, and tells the browser to ask no other place."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_served(scope["path"]):
            answer = PlainTextResponse("refused: this page serves no files", status_code=403)
            await answer(scope, receive, send)
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self.app(scope, receive, with_policy)


def make_app(blocks: "gr.Blocks", *, host: str, **look: Any) -> FastAPI:
    """The page behind its guards.

    Args:
        blocks: the page.
        host: the address it will listen on.
        look: theme, css and head.
    """
    import gradio as gr

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Guard)
    # Another site's name that was made to point here (DNS rebinding) is not ours.
    names = ["127.0.0.1", "localhost", "[::1]"] if is_loopback(host) else ["*"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=names)
    return gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        server_name=host,
        footer_links=[],
        allowed_paths=[],
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        **look,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """The socket to serve on; port 0 takes any that is free.

    Raises:
        ValueError: it cannot be had; says why and what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"--host {host} --port {port}: {error}; choose another --port (0: any that is free)"
        ) from None


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Until Ctrl-C."""
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
