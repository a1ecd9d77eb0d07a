#!/usr/bin/env node
// @ts-check
/**
 * The same load on our server and on Janus, in turns, so that both meet the same minutes.
 *
 *     node benches/peers/janus.mjs [--subscribers 100] [--pairs 2] [--seconds 8]
 *                                  [--packets-per-second 250] [--burst 1] [--feedback]
 *                                  [--janus /usr/bin/janus] [--json]
 *
 * Needs root, iproute2, util-linux and Debian's package `janus` (1.1 or later); the binary is
 * MINGTANG_BIN or the release build. Janus takes no loopback address, so everything runs in a
 * network namespace of its own with one more address; it ends with the last process in it.
 * Nothing is written outside a temporary folder, which goes too.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    subscribers: { type: "string", default: "100" },
    pairs: { type: "string", default: "2" },
    seconds: { type: "string", default: "8" },
    "packets-per-second": { type: "string", default: "250" },
    burst: { type: "string", default: "1" },
    feedback: { type: "boolean", default: false },
    janus: { type: "string", default: "/usr/bin/janus" },
    json: { type: "boolean", default: false },
  },
});
const project = fileURLToPath(new URL("../../", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(project, "target");
const binary = process.env.MINGTANG_BIN ?? join(target, "release/mingtang");
const pairs = Math.min(Math.max(Number(values.pairs), 1), 10);
const load = [
  ...["bench", "forward", "--json"],
  ...["--subscribers", values.subscribers, "--seconds", values.seconds],
  ...["--packets-per-second", values["packets-per-second"], "--burst", values.burst],
  ...(values.feedback ? ["--feedback"] : []),
];

/** Of the addresses kept for documentation (RFC 5737), so that it is nobody's. */
const ADDRESS = "192.0.2.1";
const SIGNALLING_PORT = 8188;
const READY_MS = 10_000;
/** What the table shows, and whether less is better. */
const MEASURES = [
  ["cpu_us_per_packet", "server CPU a packet, µs"],
  ["floor_us_per_packet", "paced floor, µs"],
  ["latency_ms_p50", "added latency p50, ms"],
  ["latency_ms_p99", "added latency p99, ms"],
  ["setup_ms_p50", "set-up p50, ms"],
  ["setup_ms_p99", "set-up p99, ms"],
  ["cpu_ms_per_connection", "CPU a connection, ms"],
  ["memory_kib_per_subscriber", "memory a subscriber, KiB"],
  ["delivered_ratio", "delivered, share"],
];

if (process.env.BENCH_NAMESPACE === undefined) {
  process.exitCode = enterNamespace();
} else {
  await compare();
}

/** Starts this script again in a network namespace of its own. */
function enterNamespace() {
  const missing = [values.janus, binary].filter((file) => !existsSync(file));
  if (process.getuid?.() !== 0) {
    console.error("Network namespaces need root: run this as root.");
  } else if (missing.length > 0) {
    console.error(`Missing: ${missing.join(", ")}`);
  } else {
    const again = ["--net", process.execPath, ...process.argv.slice(1)];
    const env = { ...process.env, BENCH_NAMESPACE: "1" };
    return spawnSync("unshare", again, { stdio: "inherit", env }).status ?? 1;
  }
  return 1;
}

async function compare() {
  addAddress();
  const folder = mkdtempSync(join(tmpdir(), "mingtang-peers-"));
  const janus = spawn(values.janus, ["-F", configure(folder)], { stdio: "ignore" });
  try {
    await listening(janus);
    const peer = ["--peer", "janus", "--url", `ws://${ADDRESS}:${SIGNALLING_PORT}`];
    /** @type {Record<string, number>[]} */ const ours = [];
    /** @type {Record<string, number>[]} */ const theirs = [];
    for (let pair = 0; pair < pairs; pair += 1) {
      ours.push(measure([]));
      theirs.push(measure([...peer, "--pid", String(janus.pid)]));
    }
    print(ours, theirs);
  } finally {
    janus.kill("SIGTERM");
    if (janus.exitCode === null) await once(janus, "exit");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A pair of virtual devices, because an address of the loopback device would be ignored. */
function addAddress() {
  for (const command of [
    "link set lo up",
    "link add mingtang0 type veth peer name mingtang1",
    `address add ${ADDRESS}/32 dev mingtang0`,
    "link set mingtang0 up",
    "link set mingtang1 up",
  ]) {
    const done = spawnSync("ip", command.split(" "), { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`ip ${command}: ${done.stderr}`);
  }
}

/**
 * Janus with nothing but what the load uses, and one thread for all media: its fastest form.
 * @param {string} folder
 */
function configure(folder) {
  const installed = "/usr/lib/x86_64-linux-gnu/janus";
  const [plugins, transports] = [join(folder, "plugins"), join(folder, "transports")];
  for (const [to, from, file] of [
    [plugins, "plugins", "libjanus_videoroom.so"],
    [transports, "transports", "libjanus_websockets.so"],
  ]) {
    mkdirSync(to);
    symlinkSync(join(installed, from, file), join(to, file));
  }
  writeFileSync(
    join(folder, "janus.jcfg"),
    `general: {
      configs_folder = "${folder}"
      plugins_folder = "${plugins}"
      transports_folder = "${transports}"
      debug_level = 2
      event_loops = 1
    }
    nat: {
      ice_lite = true
      ice_enforce_list = "${ADDRESS}"
    }`,
  );
  writeFileSync(
    join(folder, "janus.transport.websockets.jcfg"),
    `general: { ws = true, ws_port = ${SIGNALLING_PORT}, ws_ip = "${ADDRESS}", wss = false }`,
  );
  writeFileSync(join(folder, "janus.plugin.videoroom.jcfg"), "general: {}");
  return folder;
}

/** @param {import("node:child_process").ChildProcess} janus */
async function listening(janus) {
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline && janus.exitCode === null) {
    const probe = createConnection(SIGNALLING_PORT, ADDRESS);
    const open = await new Promise((resolve) => {
      probe.once("connect", () => resolve(true));
      probe.once("error", () => resolve(false));
    });
    probe.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("Janus did not begin to listen");
}

/** @param {string[]} peer @returns {Record<string, number>} */
function measure(peer) {
  const run = spawnSync(binary, [...load, ...peer], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout);
}

/** @param {Record<string, number>[]} ours @param {Record<string, number>[]} theirs */
function print(ours, theirs) {
  const middle = (/** @type {Record<string, number>[]} */ runs, /** @type {string} */ key) => {
    const sorted = runs.map((run) => run[key]).sort((one, other) => one - other);
    return sorted[Math.floor((sorted.length - 1) / 2)];
  };
  if (values.json) {
    console.log(JSON.stringify({ mingtang: ours, janus: theirs }));
    return;
  }
  const cell = (/** @type {number} */ value) => value.toFixed(2).padStart(11);
  console.log(`${"median of the pairs".padEnd(30)}   Mingtang      Janus      ratio`);
  for (const [key, name] of MEASURES) {
    const [our, their] = [middle(ours, key), middle(theirs, key)];
    console.log(`${name.padEnd(30)}${cell(our)}${cell(their)}${cell(their / our)}`);
  }
}
