// Calls a fleet: node demo.mjs redis://:password@127.0.0.1:7379/0, as `wasmfleet url` prints it.
import { CallFailed, Fleet } from "./wasmfleet.mjs";

const fleet = await Fleet.connect(process.argv[2]);
const data = Buffer.from([0, 159, 146, 150, 255]);

console.log("digest", await fleet.call("digest.digest", { data, algorithm: "sha256" }));

const small = await fleet.call("compression.compress", { data: Buffer.alloc(9000, 7), codec: "lz4" }, { lane: "wasm" });
const back = await fleet.call("compression.decompress", { data: small, codec: "lz4" });
console.log("bytes", small.length < 9000, back.equals(Buffer.alloc(9000, 7)));

try {
  await fleet.call("compression.decompress", { data: Buffer.from("not gzip") });
} catch (error) {
  if (!(error instanceof CallFailed)) throw error;
  console.log("error", error.message, error.details);
}

const calls = [{ text: "a" }, { text: 5 }, { text: "é" }];
for (const answer of await fleet.batch("text.hash", calls)) {
  console.log("item", answer instanceof CallFailed ? answer.code : answer);
}

const summary = await fleet.call("metrics.aggregate", { series: { latency: [1, null, 3] } }, { lane: "python" });
console.log("none", summary.latency.mean, summary.latency.failures, summary.latency.histogram.at(-1).le);

fleet.close();
