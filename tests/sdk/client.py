"""One LiveKit SDK client in a process of its own (its native engine may abort at exit).

Publishes a 440 Hz tone and a plain coloured picture, receives those of one other participant, and
prints one JSON line with what it heard and saw. Usage:

    client.py URL TOKEN --mode v0|v1 [--publish COLOUR] [--receive] [--data TEXT] [--seconds N]
"""

import argparse
import asyncio
import json
import os
import sys

import numpy as np
from livekit import rtc
from material import COLOURS, HEIGHT, RATE_HZ, WIDTH, tone


async def publish_audio(room: rtc.Room) -> None:
    source = rtc.AudioSource(RATE_HZ, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    position, count = 0, RATE_HZ // 100
    while True:
        samples = tone(position, count)
        await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE_HZ, 1, count))
        position += count


async def publish_video(room: rtc.Room, colour: str) -> None:
    source = rtc.VideoSource(WIDTH, HEIGHT)
    track = rtc.LocalVideoTrack.create_video_track("picture", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False)
    await room.local_participant.publish_track(track, options)
    pixel = np.array([*COLOURS[colour], 255], dtype=np.uint8)
    picture = np.tile(pixel, (HEIGHT, WIDTH, 1)).tobytes()
    while True:
        source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, picture))
        await asyncio.sleep(1 / 15)


async def hear(track: rtc.Track, result: dict) -> None:
    """Waits for one second of sound and names its strongest frequency."""
    heard: list[np.ndarray] = []
    async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1):
        samples = np.frombuffer(event.frame.data, dtype=np.int16)
        if heard or np.abs(samples).max() > 1000:
            heard.append(samples)
        if sum(map(len, heard)) >= RATE_HZ:
            break
    sound = np.concatenate(heard).astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    result["tone_hz"] = float(spectrum.argmax() * RATE_HZ / len(sound))


async def see(track: rtc.Track, result: dict) -> None:
    """Counts frames and keeps the mean colour of the latest."""
    frames = 0
    async for event in rtc.VideoStream(track, format=rtc.VideoBufferType.RGBA):
        frame = event.frame
        pixels = np.frombuffer(frame.data, dtype=np.uint8).reshape(frame.height, frame.width, 4)
        frames += 1
        result["frames"] = frames
        result["colour"] = [float(value) for value in pixels[:, :, :3].mean(axis=(0, 1))]


async def run(arguments: argparse.Namespace) -> dict:
    room, result, tasks = rtc.Room(), {"data": [], "participants": []}, []

    @room.on("track_subscribed")
    def on_track(track: rtc.Track, _publication, _participant) -> None:
        work = hear if track.kind == rtc.TrackKind.KIND_AUDIO else see
        tasks.append(asyncio.create_task(work(track, result)))

    @room.on("data_received")
    def on_data(packet: rtc.DataPacket) -> None:
        sender = packet.participant.identity if packet.participant else ""
        result["data"].append([sender, packet.data.decode()])

    @room.on("disconnected")
    def on_disconnected(reason) -> None:
        result["disconnected"] = int(reason)

    options = rtc.RoomOptions(single_peer_connection=arguments.mode == "v1")
    await room.connect(arguments.url, arguments.token, options)
    print(json.dumps({"event": "connected"}), flush=True)
    if arguments.publish:
        tasks.append(asyncio.create_task(publish_audio(room)))
        tasks.append(asyncio.create_task(publish_video(room, arguments.publish)))
    deadline = asyncio.get_running_loop().time() + arguments.seconds
    while asyncio.get_running_loop().time() < deadline and "disconnected" not in result:
        await asyncio.sleep(0.5)
        if arguments.data:
            await room.local_participant.publish_data(arguments.data, reliable=True)
        done = result.get("tone_hz") and result.get("frames", 0) >= 10
        got_data = not arguments.data or result["data"]
        if arguments.receive and done and got_data and arguments.leave_when_done:
            break
        others = room.remote_participants
        if arguments.leave_when_known and arguments.leave_when_known in others:
            break
    result["kinds"] = {p.identity: int(p.kind) for p in room.remote_participants.values()}
    result["participants"] = sorted(p.identity for p in room.remote_participants.values())
    for task in tasks:
        task.cancel()
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--mode", choices=["v0", "v1"], default="v1")
    parser.add_argument("--publish", choices=sorted(COLOURS))
    parser.add_argument("--receive", action="store_true")
    parser.add_argument("--data")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--leave-when-done", action="store_true")
    parser.add_argument("--leave-when-known", metavar="IDENTITY")
    result = asyncio.run(run(parser.parse_args()))
    print(json.dumps({"event": "result", **result}), flush=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
