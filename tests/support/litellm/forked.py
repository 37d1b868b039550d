"""Proxies out of one process that has imported LiteLLM: the import takes most of the processor time of a proxy's start.

LiteLLM itself forks its workers so, where it runs under gunicorn. Run in LiteLLM's own environment, imported by nothing of
ours. stdin: a line of JSON for each proxy, {"arguments", "folder", "environment", "log"}; stdout: its process id.
"""

import gc
import importlib
import json
import os
import signal
import sys
from typing import Any

import litellm
import litellm.constants
import litellm.proxy.proxy_server
from litellm.proxy.proxy_cli import run_server
from litellm.rust_bridge.fork_guard import reserve_process_for_forking


def serve(asked: dict[str, Any]) -> None:
    """Become the proxy that is asked for, as its program is: a session, a folder, an environment and a log of its own."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.path[:0] = filter(None, asked["environment"].get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = ["litellm", *asked["arguments"]]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    # What is read from the environment by an import, and differs between our proxies.
    litellm.DEFAULT_FLUSH_INTERVAL_SECONDS = importlib.reload(litellm.constants).DEFAULT_FLUSH_INTERVAL_SECONDS
    run_server()


if __name__ == "__main__":
    reserve_process_for_forking("the process that forks our proxies")
    # Nobody waits here: who has ended is gone, and its process id with it.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    # Not by iteration, which reads ahead: a child has nothing of what is asked later.
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            serve(json.loads(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
