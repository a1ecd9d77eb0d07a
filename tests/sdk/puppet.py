"""What drives a `peer.py`, and a way to its server that can be cut."""

import asyncio
import contextlib
import json
import pathlib
import queue
import subprocess
import sys
import threading
import time

PROGRAM = pathlib.Path(__file__).with_name("peer.py")
SECONDS_MAX = 30


class Puppet:
    """One client process; what happens to it is kept in order."""

    def __init__(self, url: str, token: str, mode: str = "v1") -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), url, token, "--mode", mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.errors: list[str] = []
        self.events: list[dict] = []
        self.lines: queue.Queue = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.read_errors, daemon=True).start()
        self.sid = self.until("connected")["sid"]

    def read(self) -> None:
        with self.process.stdout as output:
            for line in output:
                if line.startswith("{"):
                    self.lines.put(json.loads(line))
        self.lines.put(None)

    def read_errors(self) -> None:
        with self.process.stderr as errors:
            self.errors.extend(errors)

    def until(self, event: str, **wanted) -> dict:
        """The next event of this name with these values; what comes before it is kept."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            try:
                found = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                found = None
            if found is None:
                log = "".join(self.errors[-40:])
                last = "\n".join(str(event)[:200] for event in self.events[-20:])
                raise AssertionError(f"no {event} {wanted} after\n{last}\n{log}")
            self.events.append(found)
            if found["event"] == event and wanted.items() <= found.items():
                return found

    def begin(self, command: str, **arguments) -> None:
        print(json.dumps({"do": command, **arguments}), file=self.process.stdin, flush=True)

    def do(self, command: str, **arguments) -> dict:
        """Gives a command, and what came of it."""
        self.begin(command, **arguments)
        return self.until("done", do=command)

    def texts(self, sender: str) -> list[str]:
        """All messages of somebody so far, in order."""
        messages = (event for event in self.events if event["event"] == "data_received")
        return [message["text"] for message in messages if message["from"] == sender]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class Relay:
    """Carries TCP to a server, and can lose its connections; a held one carries nothing new."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.loop = asyncio.new_event_loop()
        self.writers: set[asyncio.StreamWriter] = set()
        self.open = asyncio.Event()
        self.open.set()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server = self.run(asyncio.start_server(self.carry, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS_MAX)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.open.wait()
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            ends = {writer, far_writer}
            self.writers |= ends
            try:
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
            finally:
                self.writers -= ends
                for end in ends:
                    end.close()

    def cut(self) -> None:
        """Loses all connections, and carries no new one until it is released."""

        async def lose() -> None:
            self.open.clear()
            for writer in self.writers:
                writer.transport.abort()

        self.run(lose())

    def release(self) -> None:
        async def let_go() -> None:
            self.open.set()

        self.run(let_go())

    def close(self) -> None:
        self.release()
        self.loop.call_soon_threadsafe(self.loop.stop)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
