// @ts-check
/**
 * npm's `livekit-server-sdk` against our server: every method of its room service, and its webhook
 * receiver. Usage:
 *
 *     server_sdk.mjs rooms URL ROOM    # `ann` publishes sound and picture in the room, `bob` is there
 *     server_sdk.mjs webhooks          # posts as JSON on standard input: [{body, authorization}]
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../../", import.meta.url));
const sdk = createRequire(join(project, "web/package.json"))("livekit-server-sdk");
const KEY = "devkey";
const SECRET = "secret";

/** @param {Promise<unknown>} call @param {number} status @param {string} code */
async function refused(call, status, code) {
  await assert.rejects(call, (/** @type {any} */ error) => {
    assert.deepEqual([error.status, error.code], [status, code], error.message);
    return true;
  });
}

/** @param {string} url @param {string} room */
async function rooms(url, room) {
  const rooms = new sdk.RoomServiceClient(url, KEY, SECRET);

  const made = await rooms.createRoom({ name: "npm", emptyTimeout: 60, metadata: "m" });
  assert.equal(made.emptyTimeout, 60);
  assert.equal(made.metadata, "m");
  const listed = await rooms.listRooms(["npm"]);
  assert.deepEqual([listed.length, listed[0].sid], [1, made.sid]);
  const changed = await rooms.updateRoomMetadata("npm", "changed");
  assert.equal(changed.metadata, "changed");
  assert.deepEqual(await rooms.listParticipants("npm"), []);
  await rooms.deleteRoom("npm");
  await refused(rooms.deleteRoom("npm"), 404, "not_found");

  const present = await rooms.listParticipants(room);
  assert.deepEqual(present.map((/** @type {any} */ one) => one.identity).sort(), ["ann", "bob"]);
  const ann = await rooms.getParticipant(room, "ann");
  const mic = ann.tracks.find((/** @type {any} */ track) => track.source === sdk.TrackSource.MICROPHONE);
  const muted = await rooms.mutePublishedTrack(room, "ann", mic.sid, true);
  assert.equal(muted.muted, true);
  await refused(rooms.mutePublishedTrack(room, "ann", mic.sid, false), 412, "failed_precondition");
  const renamed = await rooms.updateParticipant(room, "bob", {
    name: "鲍勃",
    metadata: "of bob",
    attributes: { seat: "2" },
    permission: { canPublish: false, canSubscribe: true, canPublishData: true },
  });
  assert.deepEqual([renamed.name, renamed.metadata], ["鲍勃", "of bob"]);
  assert.deepEqual(renamed.attributes, { seat: "2" });
  assert.equal(renamed.permission.canPublish, false);
  await rooms.updateSubscriptions(room, "bob", [mic.sid], false);
  const options = { destinationIdentities: ["bob"], topic: "t" };
  const data = new TextEncoder().encode("from npm");
  await rooms.sendData(room, data, sdk.DataPacket_Kind.RELIABLE, options);
  await rooms.removeParticipant(room, "ann");
  await refused(rooms.getParticipant(room, "ann"), 404, "not_found");

  const stranger = new sdk.RoomServiceClient(url, KEY, "not the secret");
  await refused(stranger.listRooms(), 401, "unauthenticated");
  await refused(rooms.moveParticipant(room, "bob", "elsewhere"), 501, "unimplemented");
}

async function webhooks() {
  const receiver = new sdk.WebhookReceiver(KEY, SECRET);
  const kinds = [];
  for (const { body, authorization } of JSON.parse(await text(process.stdin))) {
    const event = await receiver.receive(body, authorization);
    kinds.push(event.event);
    await assert.rejects(receiver.receive(`${body} `, authorization));
  }
  console.log(JSON.stringify(kinds));
}

const [what, url, room] = process.argv.slice(2);
await (what === "rooms" ? rooms(url, room) : webhooks());
