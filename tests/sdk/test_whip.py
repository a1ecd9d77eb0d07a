"""WHIP and WHEP with clients that nobody here wrote: aiortc and GStreamer's webrtcbin.

Checks what is heard and seen, not that connections stand: a 440 Hz tone, the colour of the picture.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from material import COLOURS, TONE_HZ
from support import Client, Server

WHIP_CLIENT = pathlib.Path(__file__).with_name("whip_client.py")
LOOPBACK = WHIP_CLIENT.with_name("loopback.c")
UPNP = "libgupnp-igd-1.0.so.4"
INGRESS, EGRESS = 1, 2

SOUND = (
    f"audiotestsrc is-live=true freq={TONE_HZ} volume=0.5 ! audioconvert ! audioresample ! "
    "opusenc ! rtpopuspay pt=100 ssrc=1 ! application/x-rtp,media=audio,encoding-name=OPUS,"
    "payload=100"
)
PICTURE = (
    "videotestsrc is-live=true pattern=solid-color foreground-color={colour} ! "
    "video/x-raw,width=640,height=360,framerate=15/1 ! videoconvert ! "
)
ENCODERS = {
    "VP8": "vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay pt=96 ssrc=2 ! "
    "application/x-rtp,media=video,encoding-name=VP8,payload=96",
    "H264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! "
    "video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 pt=96 ssrc=2 ! "
    "application/x-rtp,media=video,encoding-name=H264,payload=96,"
    "packetization-mode=(string)1",
}


class WhipTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def start(self, program: pathlib.Path | None, address: str, token: str, *rest: str) -> Client:
        client = Client(address, token, *rest, **({"program": program} if program else {}))
        self.addCleanup(client.stop)
        client.wait_connected()
        return client

    def device(self, room: str, colour: str) -> Client:
        token = self.server.token(room, "terminal")
        address = f"{self.server.http}/whip/{room}"
        return self.start(WHIP_CLIENT, address, token, "--publish", colour)

    def player(self, room: str, of: str = "", *rest: str) -> Client:
        token = self.server.token(room, "wall")
        return self.start(WHIP_CLIENT, f"{self.server.http}/whep/{room}{of}", token, *rest)

    def member(self, room: str, *rest: str) -> Client:
        token = self.server.token(room, "member")
        return self.start(None, self.server.url, token, "--seconds", "30", *rest)

    def gstreamer(self, room: str, codec: str) -> subprocess.Popen:
        program = shutil.which("whip-client")
        self.assertIsNotNone(program, "simple-whip-client is missing: scripts/ensure-test")
        red, green, blue = COLOURS["red"]
        colour = 0xFF000000 | red << 16 | green << 8 | blue
        command = [program, "-u", f"{self.server.http}/whip/{room}", "-o"]
        command += ["-t", self.server.token(room, "terminal"), "-A", SOUND]
        command += ["-V", PICTURE.format(colour=colour) + ENCODERS[codec]]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.on_loopback()
        )
        self.addCleanup(self.end, process)
        return process

    def on_loopback(self) -> dict[str, str]:
        """The environment in which the client reaches a server on the loopback."""
        folder = tempfile.mkdtemp(prefix="mingtang-whip-")
        self.addCleanup(shutil.rmtree, folder)
        library = f"{folder}/{UPNP}"
        link = ["-shared", "-fPIC", f"-Wl,-soname,{UPNP}", "-o", library]
        subprocess.run(["cc", *link, str(LOOPBACK)], check=True)
        return {**os.environ, "LD_LIBRARY_PATH": folder, "LD_PRELOAD": library}

    @staticmethod
    def end(process: subprocess.Popen) -> str:
        process.send_signal(signal.SIGINT)
        try:
            output, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        return output.decode(errors="replace")

    def assert_received(self, result: dict, colour: str) -> None:
        self.assertAlmostEqual(result.get("tone_hz", 0), TONE_HZ, delta=5)
        self.assertGreaterEqual(result.get("frames", 0), 10)
        for seen, sent in zip(result["colour"], COLOURS[colour], strict=True):
            self.assertAlmostEqual(seen, sent, delta=30)

    def test_a_device_of_aiortc_is_heard_and_seen_by_a_player_and_by_an_sdk(self) -> None:
        room = "whip-aiortc"
        member = self.member(room, "--receive", "--leave-when-done")
        self.device(room, "red")
        player = self.player(room, "/terminal").result()
        self.assert_received(player, "red")
        self.assertEqual(player["deleted"], 200)
        result = member.result()
        self.assert_received(result, "red")
        self.assertEqual(result["kinds"]["terminal"], INGRESS)

    def test_a_player_that_came_first_hears_and_sees_an_sdk_that_comes_later(self) -> None:
        room = "whep-first"
        player = self.player(room)
        self.member(room, "--publish", "blue")
        self.assert_received(player.result(), "blue")

    def test_a_player_that_offered_in_vain_hears_and_sees_by_the_counter_offer(self) -> None:
        room = "whep-counter"
        player = self.player(room, "/terminal", "--counter")
        self.device(room, "red")
        result = player.result()
        self.assert_received(result, "red")
        self.assertEqual(result["deleted"], 200)

    def test_a_player_is_shown_to_sdks_as_one(self) -> None:
        room = "whep-kind"
        self.player(room)
        member = self.member(room, "--leave-when-known", "wall")
        self.assertEqual(member.result()["kinds"]["wall"], EGRESS)

    def test_vp8_of_gstreamer_is_heard_and_seen_by_an_sdk(self) -> None:
        room = "whip-gstreamer-vp8"
        member = self.member(room, "--receive", "--leave-when-done")
        self.gstreamer(room, "VP8")
        self.assert_received(member.result(), "red")

    def test_h264_of_gstreamer_is_heard_and_seen_by_a_player(self) -> None:
        room = "whip-gstreamer-h264"
        player = self.player(room, "/terminal")
        self.gstreamer(room, "H264")
        self.assert_received(player.result(), "red")


if __name__ == "__main__":
    unittest.main(verbosity=2)
