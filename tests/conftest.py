"""What tests share: for the library a fresh start and IPython as a notebook's kernel or a terminal has it; a browser."""

import contextlib
import functools
import http.server
import shutil
import threading
from types import SimpleNamespace

import pytest


@pytest.fixture
def afresh():
    import matplotlib
    import torch

    matplotlib.use("agg")
    torch.manual_seed(0)
    with matplotlib.rc_context():
        yield
    import matplotlib.pyplot

    matplotlib.pyplot.close("all")


@pytest.fixture
def terminal(monkeypatch, tmp_path):
    """An IPython shell; `sent` is what it sends to the page."""
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    sent = []

    class Publisher(DisplayPublisher):
        def publish(self, data, metadata=None, *args, transient=None, update=False, **kwargs):
            sent.append((data, (transient or {}).get("display_id"), update))

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    shell.display_pub = Publisher()
    yield SimpleNamespace(shell=shell, sent=sent)
    shell.restore_sys_module_state()
    InteractiveShell.clear_instance()


@pytest.fixture
def notebook(terminal):
    terminal.shell.kernel = object()
    return terminal


@contextlib.contextmanager
def served(folder):
    """The address under which a server on this computer shows a folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="not tried in a browser: playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        pytest.skip("not tried in a browser: there is no Chromium in the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
