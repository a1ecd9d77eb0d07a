"""The PyPI `livekit` client (the native engine of LiveKit's Rust and Python SDKs) against us.

Checks what is heard and seen, not that events fire: a 440 Hz tone, the colour of the picture.
"""

import unittest

from material import COLOURS, TONE_HZ
from support import Client, Server


class SdkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def pair(self, room: str, first_mode: str, second_mode: str) -> tuple[dict, dict]:
        """Two clients that publish and receive; each sends a text to the other."""
        clients = []
        people = [("ann", first_mode, "red"), ("bob", second_mode, "blue")]
        for identity, mode, colour in people:
            arguments = ["--mode", mode, "--publish", colour, "--receive", "--data", identity]
            arguments += ["--seconds", "15"]
            token = self.server.token(room, identity)
            clients.append(Client(self.server.url, token, *arguments))
            self.addCleanup(clients[-1].stop)
            clients[-1].wait_connected()
        return clients[0].result(), clients[1].result()

    def assert_received(self, result: dict, sender: str, colour: str) -> None:
        self.assertAlmostEqual(result.get("tone_hz", 0), TONE_HZ, delta=5)
        self.assertGreaterEqual(result.get("frames", 0), 10)
        for seen, sent in zip(result["colour"], COLOURS[colour], strict=True):
            self.assertAlmostEqual(seen, sent, delta=30)
        self.assertIn([sender, sender], result["data"])

    def assert_both_received(self, first_mode: str, second_mode: str) -> None:
        room = f"sdk-{first_mode}-{second_mode}"
        ann, bob = self.pair(room, first_mode, second_mode)
        self.assert_received(ann, "bob", "blue")
        self.assert_received(bob, "ann", "red")

    def test_two_v1_clients_hear_and_see_each_other(self) -> None:
        self.assert_both_received("v1", "v1")

    def test_two_v0_clients_hear_and_see_each_other(self) -> None:
        self.assert_both_received("v0", "v0")

    def test_a_v0_and_a_v1_client_hear_and_see_each_other(self) -> None:
        self.assert_both_received("v0", "v1")

    def test_the_second_client_of_an_identity_replaces_the_first(self) -> None:
        clients = []
        for _ in range(2):
            token = self.server.token("sdk-duplicate", "ann")
            clients.append(Client(self.server.url, token, "--seconds", "6"))
            self.addCleanup(clients[-1].stop)
            clients[-1].wait_connected()
        self.assertIn("disconnected", clients[0].result())
        self.assertNotIn("disconnected", clients[1].result())

    def test_a_token_of_another_key_is_refused(self) -> None:
        token = self.server.token("sdk-forged", "ann")
        forged = token[:-6] + ("aaaaaa" if not token.endswith("aaaaaa") else "bbbbbb")
        client = Client(self.server.url, forged, "--seconds", "2")
        self.addCleanup(client.stop)
        with self.assertRaises(RuntimeError):
            client.result()


if __name__ == "__main__":
    unittest.main(verbosity=2)
