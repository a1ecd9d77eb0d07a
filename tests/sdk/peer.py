"""One LiveKit SDK client that does what it is told, in a process of its own (its native engine may
abort at exit).

Each line of its input is a command, `{"do": NAME, ...}`; each line of its output is something that
happened, `{"event": NAME, ...}`. A command that is done says so by `{"event": "done", "do": NAME}`,
with what came of it. Usage: peer.py URL TOKEN --mode v0|v1
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import sys

from client import hear, publish_audio
from livekit import rtc

LINE_BYTES_MAX = 1 << 20
TOPIC = "tested"


def say(event: str, **what) -> None:
    print(json.dumps({"event": event, **what}), flush=True)


def noise(seed: int, size: int) -> bytes:
    """The same bytes for the same seed."""
    return random.Random(seed).randbytes(size)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Peer:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.tasks: set[asyncio.Task] = set()
        self.listen()

    def start(self, work) -> asyncio.Task:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def listen(self) -> None:
        room = self.room

        def on(name: str, tell) -> None:
            room.on(name, lambda *arguments: say(name, **tell(*arguments)))

        def data(packet: rtc.DataPacket) -> dict:
            sender = packet.participant.identity if packet.participant else ""
            return {"from": sender, "text": packet.data.decode(), "topic": packet.topic}

        on("data_received", data)
        on("reconnecting", dict)
        on("reconnected", lambda: {"sid": room.local_participant.sid})
        on("disconnected", lambda reason: {"reason": rtc.DisconnectReason.Name(reason)})
        on("token_refreshed", lambda: {"token": room._token})
        on("participant_connected", lambda who: {"identity": who.identity, "sid": who.sid})
        on("participant_disconnected", lambda who: {"identity": who.identity})
        on("active_speakers_changed", lambda who: {"identities": [one.identity for one in who]})
        on("local_track_unpublished", lambda publication: {"source": publication.source})
        on("track_unpublished", lambda publication, who: {"identity": who.identity})
        on(
            "participant_permissions_changed",
            lambda who, rights: {"identity": who.identity, "can_publish": rights.can_publish},
        )
        on(
            "track_subscription_permission_changed",
            lambda who, *_rest: {"identity": who.identity},
        )
        room.on("track_subscribed", lambda track, *_rest: self.start(self.listen_to(track)))
        room.register_text_stream_handler(TOPIC, lambda *given: self.start(self.read_text(*given)))
        room.register_byte_stream_handler(TOPIC, lambda *given: self.start(self.read_bytes(*given)))

    async def listen_to(self, track: rtc.Track) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            heard: dict = {}
            await hear(track, heard)
            say("heard", **heard)

    async def read_text(self, reader: rtc.TextStreamReader, sender: str) -> None:
        text = await reader.read_all()
        attributes = dict(reader.info.attributes or {})
        say("text_stream", **{"from": sender, "text": text, "attributes": attributes})

    async def read_bytes(self, reader: rtc.ByteStreamReader, sender: str) -> None:
        content = b"".join([chunk async for chunk in reader])
        info = reader.info
        what = {"name": info.name, "size": len(content), "digest": digest(content)}
        say("byte_stream", **{"from": sender, **what})

    # Commands.

    async def do_send(self, texts: list[str], to: list[str] = [], reliable: bool = True) -> dict:
        """Messages in order."""
        for text in texts:
            await self.room.local_participant.publish_data(
                text, destination_identities=to, reliable=reliable, topic=TOPIC
            )
        return {}

    async def do_text_stream(self, text: str, to: list[str], attributes: dict) -> dict:
        await self.room.local_participant.send_text(
            text, destination_identities=to, topic=TOPIC, attributes=attributes
        )
        return {}

    async def do_byte_stream(self, seed: int, size: int, name: str, to: list[str]) -> dict:
        content = noise(seed, size)
        writer = await self.room.local_participant.stream_bytes(
            name, total_size=size, topic=TOPIC, destination_identities=to
        )
        await writer.write(content)
        await writer.aclose()
        return {"digest": digest(content)}

    async def do_answer_calls(self) -> dict:
        own = self.room.local_participant

        async def echo(call: rtc.RpcInvocationData) -> str:
            return f"{own.identity} heard {call.caller_identity} say {call.payload}"

        async def refuse(call: rtc.RpcInvocationData) -> str:
            raise rtc.RpcError(1234, "not today", call.payload)

        own.register_rpc_method("echo", echo)
        own.register_rpc_method("refuse", refuse)
        return {}

    async def do_call(self, to: str, method: str, payload: str) -> dict:
        try:
            own = self.room.local_participant
            answer = await own.perform_rpc(destination_identity=to, method=method, payload=payload)
            return {"answer": answer}
        except rtc.RpcError as error:
            return {"code": error.code, "message": error.message, "data": error.data}

    async def do_simulate(self, scenario: str) -> dict:
        kind = rtc.SimulateScenarioKind.Value(f"SIMULATE_{scenario.upper()}")
        await self.room.simulate_scenario(kind)
        return {}

    async def do_publish(self) -> dict:
        """A tone, until the process ends."""
        self.start(publish_audio(self.room))
        return {}

    async def do_share(self, everybody: bool) -> dict:
        self.room.local_participant.set_track_subscription_permissions(
            allow_all_participants=everybody
        )
        return {}

    async def do_look(self) -> dict:
        others = self.room.remote_participants.values()
        seen = {who.identity: len(who.track_publications) for who in others}
        return {"sid": self.room.local_participant.sid, "tracks": seen}

    async def obey(self) -> None:
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            command = json.loads(line)
            name = command.pop("do")
            try:
                result = await getattr(self, f"do_{name}")(**command)
            except Exception as error:  # What fails is what the test looks at.
                result = {"error": str(error)}
            say("done", do=name, **result)


async def run(arguments: argparse.Namespace) -> None:
    peer = Peer()
    options = rtc.RoomOptions(single_peer_connection=arguments.mode == "v1")
    await peer.room.connect(arguments.url, arguments.token, options)
    say("connected", sid=peer.room.local_participant.sid)
    await peer.obey()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--mode", choices=["v0", "v1"], default="v1")
    asyncio.run(run(parser.parse_args()))
    os._exit(0)


if __name__ == "__main__":
    main()
