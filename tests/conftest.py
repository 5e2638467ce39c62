"""What the library's tests share: a fresh start for each, and IPython as a notebook's kernel has it, or a terminal."""

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
