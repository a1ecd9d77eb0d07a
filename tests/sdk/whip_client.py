"""One aiortc client of WHIP or WHEP in a process of its own.

Publishes a 440 Hz tone and a plain coloured picture, or watches and prints one JSON line with what
it heard and saw. Usage:

    whip_client.py ADDRESS TOKEN [--publish COLOUR | --counter] [--seconds N]

With --counter it offers nothing that can be carried, and answers the offer that it gets instead.
"""

import argparse
import asyncio
import fractions
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from av import AudioFrame, VideoFrame
from material import COLOURS, HEIGHT, RATE_HZ, WIDTH, tone

NO_CONTENT, NOT_ACCEPTABLE = 204, 406


class Tone(AudioStreamTrack):
    """20 ms of the tone at a time, at the pace of the base class's silence."""

    async def recv(self) -> AudioFrame:
        pace = await super().recv()
        start, count = pace.pts * RATE_HZ // pace.sample_rate, RATE_HZ // 50
        frame = AudioFrame.from_ndarray(tone(start, count)[None, :], format="s16", layout="mono")
        frame.pts, frame.sample_rate = start, RATE_HZ
        frame.time_base = fractions.Fraction(1, RATE_HZ)
        return frame


class Picture(VideoStreamTrack):
    """A plain picture at the pace of the base class."""

    def __init__(self, colour: str) -> None:
        super().__init__()
        pixels = np.tile(np.array(COLOURS[colour], dtype=np.uint8), (HEIGHT, WIDTH, 1))
        self.picture = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        self.picture.pts, self.picture.time_base = pts, time_base
        return self.picture


async def hear(track, result: dict) -> None:
    """Waits for one second of sound and names its strongest frequency."""
    heard: list[np.ndarray] = []
    while sum(map(len, heard)) < RATE_HZ:
        frame = await track.recv()
        channels = len(frame.layout.channels)
        samples = frame.to_ndarray().reshape(-1, channels)[:, 0]
        if heard or np.abs(samples).max() > 1000:
            heard.append(samples)
    sound = np.concatenate(heard).astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    result["tone_hz"] = float(spectrum.argmax() * RATE_HZ / len(sound))


async def see(track, result: dict) -> None:
    """Counts frames and keeps size and mean colour of the latest."""
    while True:
        frame = await track.recv()
        result["frames"] = result.get("frames", 0) + 1
        result["size"] = [frame.width, frame.height]
        pixels = frame.to_ndarray(format="rgb24")
        result["colour"] = [float(value) for value in pixels.mean(axis=(0, 1))]


def request(method: str, address: str, token: str, offer: str = ""):
    made = urllib.request.Request(address, method=method, data=offer.encode() or None)
    made.add_header("authorization", f"Bearer {token}")
    made.add_header("content-type", "application/sdp")
    made.add_header("accept", "application/sdp")
    try:
        return urllib.request.urlopen(made, timeout=10)
    except urllib.error.HTTPError as answer:
        if answer.code != NOT_ACCEPTABLE:
            raise
        return answer


async def countered(connection: RTCPeerConnection, arguments: argparse.Namespace) -> str:
    """Offers data channels alone, answers what is offered instead; the session's address."""
    hopeless = RTCPeerConnection()
    hopeless.createDataChannel("nothing")
    await hopeless.setLocalDescription(await hopeless.createOffer())
    offer = hopeless.localDescription.sdp
    await hopeless.close()
    answer = await asyncio.to_thread(request, "POST", arguments.address, arguments.token, offer)
    if answer.status != NOT_ACCEPTABLE:
        raise SystemExit(f"a counter-offer was due, not {answer.status}")
    session = urllib.parse.urljoin(arguments.address, answer.headers["location"])
    await connection.setRemoteDescription(RTCSessionDescription(answer.read().decode(), "offer"))
    await connection.setLocalDescription(await connection.createAnswer())
    own = connection.localDescription.sdp
    agreed = await asyncio.to_thread(request, "PATCH", session, arguments.token, own)
    if agreed.status != NO_CONTENT:
        raise SystemExit(f"the answer was not taken: {agreed.status}")
    return session


async def opened(connection: RTCPeerConnection, arguments: argparse.Namespace) -> str:
    """Offers, and takes the answer; the session's address."""
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    answer = await asyncio.to_thread(request, "POST", arguments.address, arguments.token, offer)
    session = urllib.parse.urljoin(arguments.address, answer.headers["location"])
    sdp = answer.read().decode()
    await connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    return session


async def run(arguments: argparse.Namespace) -> dict:
    connection, result, tasks = RTCPeerConnection(), {}, []
    if arguments.publish:
        for track in (Tone(), Picture(arguments.publish)):
            connection.addTransceiver(track, direction="sendonly")
    elif not arguments.counter:
        for kind in ("audio", "video"):
            connection.addTransceiver(kind, direction="recvonly")

    @connection.on("track")
    def on_track(track) -> None:
        work = hear if track.kind == "audio" else see
        tasks.append(asyncio.create_task(work(track, result)))

    session = await (countered if arguments.counter else opened)(connection, arguments)
    print(json.dumps({"event": "connected"}), flush=True)
    deadline = asyncio.get_running_loop().time() + arguments.seconds
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.2)
        if result.get("tone_hz") and result.get("frames", 0) >= 10:
            break
    ended = await asyncio.to_thread(request, "DELETE", session, arguments.token)
    result["deleted"] = ended.status
    for task in tasks:
        task.cancel()
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("token")
    parser.add_argument("--publish", choices=sorted(COLOURS))
    parser.add_argument("--counter", action="store_true")
    parser.add_argument("--seconds", type=float, default=30)
    result = asyncio.run(run(parser.parse_args()))
    print(json.dumps({"event": "result", **result}), flush=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
