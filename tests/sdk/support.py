"""A real server for SDK tests: the built binary in demo mode with a data directory of its own."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from livekit import api

PROJECT = pathlib.Path(__file__).resolve().parents[2]
CLIENT = pathlib.Path(__file__).with_name("client.py")
DEMO_PASSWORD = "mingtang-demo"
READY_SECONDS = 60


def binary() -> str:
    target = os.environ.get("CARGO_TARGET_DIR", str(PROJECT / "target"))
    return os.environ.get("MINGTANG_BIN", f"{target}/debug/mingtang")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """Starts on construction, ends with close()."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self.data = tempfile.mkdtemp(prefix="mingtang-sdk-")
        port = free_port()
        self.http = f"http://127.0.0.1:{port}"
        self.url = f"ws://127.0.0.1:{port}"
        self.log = open(f"{self.data}/server.log", "w", encoding="utf-8")
        arguments = ["serve", "--demo", "--listen", f"127.0.0.1:{port}", "--data-dir", self.data]
        arguments += ["--media-port", "0"]
        self.process = subprocess.Popen(
            [binary(), *arguments],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.http}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        log = pathlib.Path(self.data, "server.log").read_text(encoding="utf-8")
        raise RuntimeError(f"the server did not become ready:\n{log}")

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        finally:
            self.log.close()
            shutil.rmtree(self.data, ignore_errors=True)

    def token(self, room: str, identity: str) -> str:
        grants = api.VideoGrants(room_join=True, room=room)
        return api.AccessToken("devkey", "secret").with_identity(identity).with_grants(
            grants
        ).to_jwt()

    def call(self, method: str, path: str, body: dict | None = None, bearer: str = "") -> dict:
        request = urllib.request.Request(f"{self.http}{path}", method=method)
        request.add_header("content-type", "application/json")
        if bearer:
            request.add_header("authorization", f"Bearer {bearer}")
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(request, data=data, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else {}

    def login(self, username: str) -> str:
        body = {"username": username, "password": DEMO_PASSWORD}
        return self.call("POST", "/api/auth/login", body)["access_token"]


class Client:
    """One client process."""

    def __init__(
        self, url: str, token: str, *arguments: str, program: pathlib.Path = CLIENT
    ) -> None:
        command = [sys.executable, str(program), url, token, *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_connected(self) -> None:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client did not connect:\n{self.process.communicate()[1]}")

    def result(self, timeout: float = 60) -> dict:
        output, errors = self.process.communicate(timeout=timeout)
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        results = [line for line in lines if line["event"] == "result"]
        if not results:
            raise RuntimeError(f"the client gave no result:\n{errors}")
        return results[-1]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
