"""LiveKit's server SDKs, PyPI `livekit-api` and npm `livekit-server-sdk`, against our server: every
method of the room service, and webhooks that both kinds of receiver believe."""

import asyncio
import http.server
import json
import pathlib
import queue
import subprocess
import threading
import unittest

from livekit import api
from support import Client, Server

SCRIPT = pathlib.Path(__file__).with_name("server_sdk.mjs")
SECONDS_MAX = 30
# Reasons of DisconnectReason.
REMOVED, DELETED = 4, 5


class Endpoint(http.server.ThreadingHTTPServer):
    """Takes webhooks; it refuses the first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Posts)
        self.posts: queue.Queue = queue.Queue()
        self.refusals = 1
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def until(self, room: str, kind: str) -> list[dict]:
        """The posts about a room, to the last kind."""
        posts = []
        while not posts or posts[-1]["event"].event != kind:
            post = self.posts.get(timeout=SECONDS_MAX)
            if post["event"].room.name == room:
                posts.append(post)
        return posts


class Posts(http.server.BaseHTTPRequestHandler):
    receiver = api.WebhookReceiver(api.TokenVerifier("devkey", "secret"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        authorization = self.headers["authorization"]
        event = self.receiver.receive(body, authorization)
        post = {"body": body, "authorization": authorization, "event": event}
        self.server.posts.put(post)
        refuses = self.server.refusals > 0
        self.server.refusals -= 1
        self.send_response(503 if refuses else 204)
        self.end_headers()

    def log_message(self, *_arguments) -> None:
        """Says nothing."""


class ServerApiTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.endpoint = Endpoint()
        cls.addClassCleanup(cls.endpoint.server_close)
        cls.addClassCleanup(cls.endpoint.shutdown)
        cls.server = Server({"MINGTANG_WEBHOOK_URLS": cls.endpoint.url})
        cls.addClassCleanup(cls.server.close)

    async def asyncSetUp(self) -> None:
        self.api = api.LiveKitAPI(self.server.http, "devkey", "secret")
        self.addAsyncCleanup(self.api.aclose)
        self.rooms = self.api.room

    def join(self, room: str, identity: str, *arguments: str) -> Client:
        token = self.server.token(room, identity)
        client = Client(self.server.url, token, "--seconds", str(SECONDS_MAX), *arguments)
        self.addCleanup(client.stop)
        client.wait_connected()
        return client

    async def pair(self, room: str) -> tuple[Client, Client]:
        """`ann`, who publishes sound and picture, and `bob`; both are there when this returns."""
        ann = self.join(room, "ann", "--publish", "red")
        bob = self.join(room, "bob")
        async with asyncio.timeout(SECONDS_MAX):
            while len((await self.get(room, "ann")).tracks) < 2:
                await asyncio.sleep(0.1)
        return ann, bob

    async def get(self, room: str, identity: str):
        return await self.rooms.get_participant(
            api.RoomParticipantIdentity(room=room, identity=identity)
        )

    async def assert_refused(self, call, status: int, code: str) -> None:
        with self.assertRaises(api.TwirpError) as raised:
            await call
        self.assertEqual((raised.exception.status, raised.exception.code), (status, code))

    async def test_a_room_is_made_listed_changed_and_deleted(self) -> None:
        made = await self.rooms.create_room(
            api.CreateRoomRequest(
                name="made", empty_timeout=60, departure_timeout=5, max_participants=9, metadata="m"
            )
        )
        self.assertEqual((made.empty_timeout, made.departure_timeout), (60, 5))
        self.assertEqual((made.max_participants, made.metadata), (9, "m"))
        listed = await self.rooms.list_rooms(api.ListRoomsRequest(names=["made", "none"]))
        self.assertEqual([room.sid for room in listed.rooms], [made.sid])
        change = api.UpdateRoomMetadataRequest(room="made", metadata="changed")
        self.assertEqual((await self.rooms.update_room_metadata(change)).metadata, "changed")
        everybody = await self.rooms.list_participants(api.ListParticipantsRequest(room="made"))
        self.assertEqual(len(everybody.participants), 0)
        await self.rooms.delete_room(api.DeleteRoomRequest(room="made"))
        again = self.rooms.delete_room(api.DeleteRoomRequest(room="made"))
        await self.assert_refused(again, 404, "not_found")

    async def test_participants_are_seen_and_managed_and_webhooks_tell_of_it(self) -> None:
        ann, bob = await self.pair("managed")
        everybody = await self.rooms.list_participants(api.ListParticipantsRequest(room="managed"))
        self.assertEqual(sorted(p.identity for p in everybody.participants), ["ann", "bob"])
        tracks = {track.source: track.sid for track in (await self.get("managed", "ann")).tracks}
        mic = tracks[api.TrackSource.MICROPHONE]
        mute = api.MuteRoomTrackRequest(room="managed", identity="ann", track_sid=mic, muted=True)
        self.assertTrue((await self.rooms.mute_published_track(mute)).track.muted)
        mute.muted = False
        unmute = self.rooms.mute_published_track(mute)
        await self.assert_refused(unmute, 412, "failed_precondition")
        permission = api.ParticipantPermission(can_subscribe=True, can_publish_data=True)
        update = api.UpdateParticipantRequest(
            room="managed",
            identity="bob",
            name="Bob",
            metadata="m",
            attributes={"seat": "2"},
            permission=permission,
        )
        changed = await self.rooms.update_participant(update)
        self.assertEqual((changed.name, changed.metadata), ("Bob", "m"))
        self.assertEqual(dict(changed.attributes), {"seat": "2"})
        self.assertEqual(changed.permission, permission)
        subscriptions = api.UpdateSubscriptionsRequest(
            room="managed", identity="bob", track_sids=list(tracks.values()), subscribe=False
        )
        await self.rooms.update_subscriptions(subscriptions)
        data = api.SendDataRequest(
            room="managed", data=b"hello", destination_identities=["bob"], topic="t"
        )
        await self.rooms.send_data(data)
        await self.rooms.remove_participant(
            api.RoomParticipantIdentity(room="managed", identity="ann")
        )
        self.assertEqual(ann.result()["disconnected"], REMOVED)
        await self.rooms.delete_room(api.DeleteRoomRequest(room="managed"))
        result = bob.result()
        self.assertEqual(result["disconnected"], DELETED)
        self.assertIn(["", "hello"], result["data"])
        self.assert_told(self.endpoint.until("managed", "room_finished"))

    def assert_told(self, posts: list[dict]) -> None:
        events = {post["event"].id: post["event"] for post in posts}
        kinds = [event.event for event in events.values()]
        self.assertEqual((kinds[0], kinds[-1]), ("room_started", "room_finished"))
        for kind in ["participant_joined", "participant_left"]:
            told = [e.participant.identity for e in events.values() if e.event == kind]
            self.assertEqual(sorted(told), ["ann", "bob"])
        for kind in ["track_published", "track_unpublished"]:
            self.assertEqual(kinds.count(kind), 2)
        script = subprocess.run(
            ["node", SCRIPT, "webhooks"],
            input=json.dumps(
                [{key: post[key] for key in ("body", "authorization")} for post in posts]
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(script.returncode, 0, script.stderr)
        self.assertEqual(json.loads(script.stdout), [post["event"].event for post in posts])

    async def test_npms_sdk_does_all_of_it_too(self) -> None:
        ann, bob = await self.pair("of-npm")
        script = await asyncio.to_thread(
            subprocess.run,
            ["node", SCRIPT, "rooms", self.server.http, "of-npm"],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(script.returncode, 0, script.stderr)
        self.assertEqual(ann.result()["disconnected"], REMOVED)
        await self.rooms.delete_room(api.DeleteRoomRequest(room="of-npm"))
        self.assertIn(["", "from npm"], bob.result()["data"])

    async def test_a_wrong_secret_and_a_missing_grant_are_told_apart(self) -> None:
        stranger = api.LiveKitAPI(self.server.http, "devkey", "not the secret")
        self.addAsyncCleanup(stranger.aclose)
        rooms = stranger.room.list_rooms(api.ListRoomsRequest())
        await self.assert_refused(rooms, 401, "unauthenticated")
        participant = api.LiveKitAPI.with_token(self.server.token("r", "ann"), self.server.http)
        self.addAsyncCleanup(participant.aclose)
        rooms = participant.room.list_rooms(api.ListRoomsRequest())
        await self.assert_refused(rooms, 403, "permission_denied")
        moved = api.MoveParticipantRequest(room="r", identity="ann", destination_room="s")
        await self.assert_refused(self.rooms.move_participant(moved), 501, "unimplemented")

    async def test_a_lesson_is_no_api_keys_to_manage(self) -> None:
        teacher = self.server.login("teacher")
        lessons = self.server.call("GET", "/api/lessons?scope=today", bearer=teacher)["items"]
        lesson = next(lesson for lesson in lessons if lesson["state"] == "scheduled")["id"]
        made = self.rooms.create_room(api.CreateRoomRequest(name=f"lesson-{lesson}"))
        await self.assert_refused(made, 403, "permission_denied")


if __name__ == "__main__":
    unittest.main(verbosity=2)
