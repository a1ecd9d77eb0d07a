"""LiveKit's SDK in a lesson: the domain's rules admit, and beat what a token claims."""

import unittest

from material import COLOURS, TONE_HZ
from support import Client, Server


class ClassTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        teacher = cls.server.login("teacher")
        lessons = cls.server.call("GET", "/api/lessons?scope=today", bearer=teacher)["items"]
        cls.lesson = next(lesson for lesson in lessons if lesson["state"] == "scheduled")["id"]
        cls.server.call("POST", f"/api/lessons/{cls.lesson}/start", bearer=teacher)

    def join(self, username: str, *arguments: str) -> Client:
        bearer = self.server.login(username)
        body = {"device_id": f"sdk-{username}"}
        joined = self.server.call("POST", f"/api/lessons/{self.lesson}/join", body, bearer)
        client = Client(self.server.url, joined["token"], *arguments)
        self.addCleanup(client.stop)
        client.wait_connected()
        return client

    def test_learners_with_one_and_with_two_connections_hear_and_see_the_teacher(self) -> None:
        teacher = self.join("teacher", "--publish", "red", "--seconds", "25")
        learners = [
            self.join(username, "--mode", mode, "--receive", "--leave-when-done")
            for username, mode in [("learner1", "v1"), ("learner2", "v0")]
        ]
        for learner in learners:
            result = learner.result()
            self.assertAlmostEqual(result.get("tone_hz", 0), TONE_HZ, delta=5)
            self.assertGreaterEqual(result.get("frames", 0), 10)
            for seen, sent in zip(result["colour"], COLOURS["red"], strict=True):
                self.assertAlmostEqual(seen, sent, delta=30)
        teacher.stop()

    def test_a_token_of_an_api_key_opens_no_lesson_to_a_stranger(self) -> None:
        token = self.server.token(f"lesson-{self.lesson}", "stranger")
        client = Client(self.server.url, token, "--seconds", "2")
        self.addCleanup(client.stop)
        with self.assertRaises(RuntimeError):
            client.result()


if __name__ == "__main__":
    unittest.main(verbosity=2)
