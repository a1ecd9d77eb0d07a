"""The PyPI `livekit` client against our signalling: what is said reaches whom it is for, whole and
once, also while sockets are lost and rights change."""

import asyncio
import itertools
import unittest
import urllib.parse

from livekit import api
from material import TONE_HZ
from puppet import Puppet, Relay
from support import Server

COUNT = 40
NUMBERS = itertools.count()


class SignallingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def join(self, room: str, identity: str, mode: str = "v1", url: str | None = None) -> Puppet:
        puppet = Puppet(url or self.server.url, self.server.token(room, identity), mode)
        self.addCleanup(puppet.stop)
        return puppet

    def pair(self, mode: str = "v1") -> tuple[Puppet, Puppet]:
        """`ann` and `bob`, who knows her, in a room of their own."""
        self.room = f"{self.id()}-{next(NUMBERS)}"
        bob = self.join(self.room, "bob", mode)
        ann = self.join(self.room, "ann", mode)
        bob.until("participant_connected", identity="ann")
        return ann, bob

    def relay(self) -> tuple[Relay, str]:
        relay = Relay(urllib.parse.urlparse(self.server.http).port)
        self.addCleanup(relay.close)
        return relay, f"ws://127.0.0.1:{relay.port}"

    def order(self, call) -> None:
        """Asks something of the room service."""

        async def ask() -> None:
            async with api.LiveKitAPI(self.server.http, "devkey", "secret") as service:
                await call(service.room)

        asyncio.run(ask())

    def permit(self, identity: str, **rights) -> None:
        everything = {"can_publish": True, "can_subscribe": True, "can_publish_data": True}
        permission = api.ParticipantPermission(**{**everything, **rights})
        change = api.UpdateParticipantRequest(
            room=self.room, identity=identity, permission=permission
        )
        self.order(lambda room: room.update_participant(change))

    def test_a_message_for_one_reaches_that_one_alone(self) -> None:
        for mode in ["v0", "v1"]:
            with self.subTest(mode):
                ann, bob = self.pair(mode)
                carl = self.join(self.room, "carl", mode)
                ann.until("participant_connected", identity="carl")
                ann.do("send", texts=["for carl", "for carl too"], to=["carl"])
                ann.do("send", texts=["for both"])
                for who in [bob, carl]:
                    who.until("data_received", text="for both", topic="tested")
                self.assertEqual(bob.texts("ann"), ["for both"])
                self.assertEqual(carl.texts("ann"), ["for carl", "for carl too", "for both"])
                for who in [ann, bob, carl]:
                    who.stop()

    def test_streams_of_text_and_bytes_arrive_whole(self) -> None:
        ann, bob = self.pair()
        text = "明堂 " * 10_000
        ann.do("text_stream", text=text, to=["bob"], attributes={"kind": "long"})
        got = bob.until("text_stream")
        self.assertEqual((got["from"], got["text"]), ("ann", text))
        self.assertEqual(got["attributes"].get("kind"), "long")
        # Less than waits for a receiver who does not keep up before it is given up.
        size = 700_000
        sent = ann.do("byte_stream", seed=7, size=size, name="noise", to=["bob"])
        got = bob.until("byte_stream")
        self.assertEqual((got["from"], got["name"], got["size"]), ("ann", "noise", size))
        self.assertEqual(got["digest"], sent["digest"])

    def test_a_call_is_answered_and_a_refusal_comes_back_as_one(self) -> None:
        for mode in ["v0", "v1"]:
            with self.subTest(mode):
                ann, bob = self.pair(mode)
                bob.do("answer_calls")
                answer = ann.do("call", to="bob", method="echo", payload="你好")
                self.assertEqual(answer["answer"], "bob heard ann say 你好")
                refusal = ann.do("call", to="bob", method="refuse", payload="why")
                self.assertEqual((refusal["code"], refusal["message"]), (1234, "not today"))
                self.assertEqual(refusal["data"], "why")
                unknown = ann.do("call", to="bob", method="dance", payload="")
                self.assertEqual(unknown["code"], 1400)
                for who in [ann, bob]:
                    who.stop()

    def test_a_lost_socket_is_resumed_and_the_sound_goes_on(self) -> None:
        for scenario in ["signal_reconnect", "migration"]:
            with self.subTest(scenario):
                ann, bob = self.pair()
                ann.do("publish")
                self.assertAlmostEqual(bob.until("heard")["tone_hz"], TONE_HZ, delta=5)
                ann.do("simulate", scenario=scenario)
                self.assertEqual(ann.until("reconnected")["sid"], ann.sid, "the stay is the same")
                carl = self.join(self.room, "carl")
                self.assertAlmostEqual(carl.until("heard")["tone_hz"], TONE_HZ, delta=5)
                ann.do("send", texts=["still here"])
                bob.until("data_received", text="still here")
                gone = [event for event in bob.events if "participant_disc" in event["event"]]
                self.assertEqual(gone, [])
                for who in [ann, bob, carl]:
                    who.stop()

    def test_who_takes_the_place_of_a_former_stay_of_its_own_resumes_its_own(self) -> None:
        former, bob = self.pair()
        ann = self.join(self.room, "ann")
        former.until("disconnected")
        ann.do("simulate", scenario="signal_reconnect")
        self.assertEqual(ann.until("reconnected")["sid"], ann.sid)
        ann.do("send", texts=["it is me"])
        bob.until("data_received", text="it is me")

    def test_a_new_join_brings_the_sound_back(self) -> None:
        for scenario in ["node_failure", "full_reconnect", "disconnect_signal_on_resume"]:
            with self.subTest(scenario):
                ann, bob = self.pair()
                ann.do("publish")
                self.assertAlmostEqual(bob.until("heard")["tone_hz"], TONE_HZ, delta=5)
                ann.do("simulate", scenario=scenario)
                ann.until("reconnected")
                carl = self.join(self.room, "carl")
                self.assertAlmostEqual(carl.until("heard")["tone_hz"], TONE_HZ, delta=5)
                ann.do("send", texts=["here again"])
                bob.until("data_received", text="here again")
                seen = bob.do("look")["tracks"]
                self.assertEqual(seen, {"ann": 1, "carl": 0}, "nobody is there twice")
                for who in [ann, bob, carl]:
                    who.stop()

    def test_a_farewell_of_the_server_is_for_good(self) -> None:
        ann, _bob = self.pair()
        ann.begin("simulate", scenario="server_leave")
        self.assertEqual(ann.until("disconnected")["reason"], "SERVER_SHUTDOWN")

    def test_a_simulated_speech_is_shown_to_the_others(self) -> None:
        ann, bob = self.pair()
        ann.do("simulate", scenario="speaker")
        bob.until("active_speakers_changed", identities=["ann"])
        bob.until("active_speakers_changed", identities=[])

    def assert_messages_survive(self, mode: str) -> None:
        relay, url = self.relay()
        room = self.id() + mode
        bob = self.join(room, "bob", mode)
        ann = self.join(room, "ann", mode, url)
        bob.until("participant_connected", identity="ann")
        ann.do("send", texts=["first of ann"])
        bob.until("data_received", text="first of ann")
        bob.do("send", texts=["first of bob"])
        ann.until("data_received", text="first of bob")
        relay.cut()
        # Some go before the client knows that its socket is lost, some after.
        of_ann = [f"ann {number}" for number in range(COUNT)]
        of_bob = [f"bob {number}" for number in range(COUNT)]
        ann.begin("send", texts=of_ann[: COUNT // 2])
        bob.do("send", texts=of_bob[: COUNT // 2])
        ann.until("reconnecting")
        ann.begin("send", texts=of_ann[COUNT // 2 :])
        bob.do("send", texts=of_bob[COUNT // 2 :])
        relay.release()
        self.assertEqual(ann.until("reconnected")["sid"], ann.sid, "the stay is the same")
        ann.begin("send", texts=["last of ann"])
        bob.until("data_received", text="last of ann")
        bob.do("send", texts=["last of bob"])
        if "last of bob" not in ann.texts("bob"):
            ann.until("data_received", text="last of bob")
        self.assertEqual(bob.texts("ann"), ["first of ann", *of_ann, "last of ann"])
        self.assertEqual(ann.texts("bob"), ["first of bob", *of_bob, "last of bob"])

    def test_messages_of_a_v1_client_survive_a_resume_once_and_in_order(self) -> None:
        self.assert_messages_survive("v1")

    def test_messages_of_a_v0_client_survive_a_resume_once_and_in_order(self) -> None:
        self.assert_messages_survive("v0")

    def test_rights_taken_away_and_given_back_take_effect_at_once(self) -> None:
        ann, bob = self.pair()
        ann.do("publish")
        bob.until("heard")
        self.permit("ann", can_publish=False, can_publish_data=False)
        bob.until("track_unpublished", identity="ann")
        rights = {"identity": "ann", "can_publish": False}
        ann.until("participant_permissions_changed", **rights)
        token = api.TokenVerifier("devkey", "secret").verify(ann.until("token_refreshed")["token"])
        self.assertEqual((token.identity, token.video.room), ("ann", self.room))
        self.assertIs(token.video.can_publish, False)
        ann.do("send", texts=["unheard"])
        self.permit("ann")
        ann.until("participant_permissions_changed", identity="ann", can_publish=True)
        ann.do("send", texts=["heard"])
        bob.until("data_received", text="heard")
        self.assertEqual(bob.texts("ann"), ["heard"])
        ann.do("publish")
        self.assertAlmostEqual(bob.until("heard")["tone_hz"], TONE_HZ, delta=5)

    def test_a_publisher_keeps_its_track_from_newcomers_until_it_shares_it(self) -> None:
        ann, _bob = self.pair()
        ann.do("publish")
        ann.do("share", everybody=False)
        carl = self.join(self.room, "carl")
        carl.do("look")
        ann.do("send", texts=["now"])
        carl.until("data_received", text="now")
        self.assertNotIn("heard", [event["event"] for event in carl.events])
        ann.do("share", everybody=True)
        self.assertAlmostEqual(carl.until("heard")["tone_hz"], TONE_HZ, delta=5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
