// A small client of the Redis protocol (RESP2) over a socket: commands in order, and messages of subscriptions.
import net from "node:net";

export class Redis {
  #socket;
  #received = Buffer.alloc(0);
  #waiting = []; // the promises of commands that are not answered yet, in order
  #listeners = new Map(); // by channel

  static async connect(url) {
    const { hostname, port, username, password, pathname } = new URL(url);
    const redis = new Redis();
    redis.#socket = net.createConnection({ host: hostname, port: Number(port || 6379) });
    await new Promise((resolve, reject) => redis.#socket.once("connect", resolve).once("error", reject));
    redis.#socket.on("data", (data) => redis.#read(data));
    redis.#socket.on("error", (error) => redis.#fail(error));
    redis.#socket.on("close", () => redis.#fail(new Error("the connection to the broker is closed")));
    if (password) {
      await redis.send("AUTH", ...(username ? [decodeURIComponent(username)] : []), decodeURIComponent(password));
    }
    await redis.send("SELECT", pathname.slice(1) || "0");
    return redis;
  }

  // Sends one command and gives its answer. Bulk strings are Buffers.
  send(...words) {
    const parts = words.map((word) => (Buffer.isBuffer(word) ? word : Buffer.from(String(word))));
    const head = Buffer.from(`*${parts.length}\r\n`);
    const bulk = parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(Buffer.concat([head, ...bulk]));
    });
  }

  // Calls `listen` with each message of a channel, from when this returns. The connection then takes no other command.
  async subscribe(channel, listen) {
    this.#listeners.set(channel, listen);
    await this.send("SUBSCRIBE", channel);
  }

  async unsubscribe(channel) {
    this.#listeners.delete(channel);
    await this.send("UNSUBSCRIBE", channel);
  }

  close() {
    this.#socket.destroy();
  }

  #read(data) {
    this.#received = Buffer.concat([this.#received, data]);
    for (let found; (found = parse(this.#received, 0)); ) {
      this.#received = this.#received.subarray(found.end);
      this.#take(found.value);
    }
  }

  #take(value) {
    if (Array.isArray(value) && String(value[0]) === "message") {
      this.#listeners.get(String(value[1]))?.(value[2]);
      return;
    }
    const { resolve, reject } = this.#waiting.shift();
    value instanceof Error ? reject(value) : resolve(value);
  }

  #fail(error) {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

// Reads one value at `at`, and gives it with the place after its end; null where not all of it has arrived.
function parse(data, at) {
  const stop = data.indexOf("\r\n", at);
  if (stop < 0) return null;
  const kind = String.fromCharCode(data[at]);
  const line = data.toString("utf8", at + 1, stop);
  const end = stop + 2;
  if (kind === "+") return { value: line, end };
  if (kind === "-") return { value: new Error(line), end };
  if (kind === ":") return { value: Number(line), end };
  const size = Number(line);
  if (size < 0) return { value: null, end };
  if (kind === "$") {
    return data.length < end + size + 2 ? null : { value: data.subarray(end, end + size), end: end + size + 2 };
  }
  const value = [];
  let next = end;
  for (let index = 0; index < size; index += 1) {
    const found = parse(data, next);
    if (!found) return null;
    value.push(found.value);
    next = found.end;
  }
  return { value, end: next };
}
