// A client of a fleet, written from docs/wire.md: publish a call or a batch, and wait for its result.
import { randomUUID } from "node:crypto";

import { Redis } from "./redis.mjs";

const LOOK_MS = 1000;

export class CallFailed extends Error {
  constructor({ code, message, details }) {
    super(`${code}: ${message}`);
    Object.assign(this, { code, details });
  }
}

export class Fleet {
  static async connect(url) {
    const fleet = new Fleet();
    [fleet.commands, fleet.messages] = await Promise.all([Redis.connect(url), Redis.connect(url)]);
    return fleet;
  }

  // Runs one operation, such as `digest.digest`, and gives its value. Throws CallFailed.
  async call(operation, args, { lane = "any", timeoutMs = 30_000 } = {}) {
    return this.#run(`wasmfleet.${operation}`, [], args, `wasmfleet.${lane}`, timeoutMs);
  }

  // Runs many calls of one operation as one message, and gives a value or a CallFailed for each, in order.
  async batch(operation, calls, { lane = "any", timeoutMs = 30_000 } = {}) {
    const answers = await this.#run("wasmfleet.batch", [operation, calls], {}, `wasmfleet.${lane}.batch`, timeoutMs);
    return answers.map(([failed, first, message, details]) =>
      failed ? new CallFailed({ code: first, message, details }) : first,
    );
  }

  close() {
    this.commands.close();
    this.messages.close();
  }

  async #run(task, args, kwargs, queue, timeoutMs) {
    const id = randomUUID();
    const expires = new Date(Date.now() + timeoutMs).toISOString();
    const result = await this.#awaited(id, timeoutMs);
    await this.commands.send("LPUSH", queue, message(id, task, args, kwargs, queue, expires));
    const { status, result: value } = await result.promise;
    if (status === "SUCCESS") return value;
    throw new CallFailed(value);
  }

  // Listens for the result before the call is published, and looks for it each second in case the message was lost.
  async #awaited(id, timeoutMs) {
    const key = `celery-task-meta-${id}`;
    let settle;
    const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
    const take = (stored) => {
      const meta = stored && JSON.parse(String(stored), withBytes);
      if (["SUCCESS", "FAILURE", "REVOKED"].includes(meta?.status)) settle.resolve(meta);
    };
    await this.messages.subscribe(key, take);
    const look = setInterval(() => this.commands.send("GET", key).then(take, settle.reject), LOOK_MS);
    const late = setTimeout(() => settle.reject(new Error(`no result within ${timeoutMs} ms`)), timeoutMs);
    const done = promise.finally(async () => {
      clearInterval(look);
      clearTimeout(late);
      await this.messages.unsubscribe(key).catch(() => {});
    });
    done.catch(() => {}); // whoever awaits it hears of it; meanwhile it is no unhandled rejection
    return { promise: done };
  }
}

function message(id, task, args, kwargs, queue, expires) {
  const followUps = { callbacks: null, errbacks: null, chain: null, chord: null };
  const body = Buffer.from(JSON.stringify([args, kwargs, followUps], asBytes));
  return JSON.stringify({
    body: body.toString("base64"),
    "content-type": "application/json",
    "content-encoding": "utf-8",
    headers: { lang: "js", task, id, root_id: id, parent_id: null, expires },
    properties: {
      body_encoding: "base64",
      correlation_id: id,
      delivery_mode: 2,
      delivery_tag: id,
      delivery_info: { exchange: "", routing_key: queue },
    },
  });
}

// Bytes in arguments become base64 text. A Buffer has become {type, data} before a replacer sees it.
function asBytes(name, value) {
  const given = this[name];
  return given instanceof Uint8Array ? Buffer.from(given).toString("base64") : value;
}

// Bytes in results are {"__type__": "bytes" or "base64", "__value__": text}.
function withBytes(_name, value) {
  if (value?.__type__ === "bytes") return Buffer.from(value.__value__);
  if (value?.__type__ === "base64") return Buffer.from(value.__value__, "base64");
  return value;
}
