// Blocked consumers and subscribers with ioredis: node ioredis_messages.js PORT
const assert = require("node:assert");
const Redis = require("ioredis");
const { setTimeout: sleep } = require("node:timers/promises");

const connect = () => new Redis({ port: Number(process.argv[2]) });

async function until(isSo) {
    for (let tries = 0; !(await isSo()); tries++) {
        assert.ok(tries < 4000, "it does not come to pass");
        await sleep(5);
    }
}

function untilBlocked(redis, count) {
    return until(async () => /blocked_clients:(\d+)/.exec(await redis.info("clients"))[1] === String(count));
}

async function consumersInOrder(redis, clients) {
    const waiting = [];
    for (const client of clients) {
        waiting.push(client.blpop("jobs:a", "jobs:b", "jobs:c", "jobs:d", 20));
        await untilBlocked(redis, waiting.length);
    }
    const keys = ["jobs:c", "jobs:a", "jobs:d"];
    for (let number = 0; number < clients.length; number++) {
        await redis.lpush(keys[number], `job ${number}`);
        assert.deepStrictEqual(await waiting[number], [keys[number], `job ${number}`]);
    }
}

async function moves(redis, [client, other]) {
    const moved = client.blmove("inbox", "working", "LEFT", "RIGHT", 20);
    await untilBlocked(redis, 1);
    // Who waits for the destination is served by the move.
    const finished = other.brpop("working", 20);
    await untilBlocked(redis, 2);
    await redis.multi().set("parcel:1", "contents").rpush("inbox", "parcel:1").exec();
    assert.strictEqual(await moved, "parcel:1");
    assert.deepStrictEqual(await finished, ["working", "parcel:1"]);
    assert.strictEqual(await redis.exists("inbox", "working"), 0);
    const due = client.bzpopmin("due:a", "due:b", 20);
    await untilBlocked(redis, 1);
    await redis.zadd("due:b", 2, "later", 1, "sooner");
    assert.deepStrictEqual(await due, ["due:b", "sooner", "1"]);
}

async function streams(redis, clients) {
    for (const key of ["log:a", "log:b"]) await redis.xgroup("CREATE", key, "workers", "$", "MKSTREAM");
    const waiting = [];
    for (const [index, client] of clients.slice(0, 2).entries()) {
        waiting.push(client.xreadgroup("GROUP", "workers", `worker${index}`, "COUNT", 1, "BLOCK", 20000,
            "STREAMS", "log:a", "log:b", ">", ">"));
        await untilBlocked(redis, index + 1);
    }
    for (const [index, key] of ["log:b", "log:a"].entries()) {
        const id = await redis.xadd(key, "*", "number", index);
        assert.deepStrictEqual(await waiting[index], [[key, [[id, ["number", String(index)]]]]]);
    }
    const news = clients[2].xread("BLOCK", 20000, "STREAMS", "log:a", "$");
    await untilBlocked(redis, 1);
    const id = await redis.xadd("log:a", "*", "new", 1);
    assert.deepStrictEqual(await news, [["log:a", [[id, ["new", "1"]]]]]);
}

async function subscribers(redis, [subscriber]) {
    const heard = [];
    subscriber.on("message", (channel, message) => heard.push([channel, message]));
    subscriber.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
    assert.strictEqual(await subscriber.subscribe("news", "weather"), 2);
    assert.strictEqual(await subscriber.psubscribe("news*"), 3);
    await assert.rejects(subscriber.get("key"), /subscriber mode/);
    assert.strictEqual(await redis.publish("news", "hello"), 2);
    assert.strictEqual(await redis.publish("weather", "rain"), 1);
    await until(() => heard.length === 3);
    assert.deepStrictEqual(heard.splice(0), [["news", "hello"], ["news*", "news", "hello"], ["weather", "rain"]]);
    const pipeline = redis.pipeline();
    for (let number = 0; number < 200; number++) pipeline.set(`article:${number}`, number).publish("weather", number);
    await pipeline.exec();
    await until(() => heard.length === 200);
    assert.deepStrictEqual(heard.splice(0).map(([, number]) => number), Array.from({ length: 200 }, (_, index) => String(index)));
    assert.deepStrictEqual((await redis.pubsub("CHANNELS")).sort(), ["news", "weather"]);
    assert.strictEqual(await subscriber.unsubscribe("news", "weather"), 1);
    assert.strictEqual(await subscriber.punsubscribe("news*"), 0);
    assert.strictEqual(await redis.publish("news", "nobody"), 0);
    // It is an ordinary client again.
    assert.strictEqual(await subscriber.get("article:7"), "7");
}

async function expiredKeys(redis, [, subscriber]) {
    await redis.config("SET", "notify-keyspace-events", "Ex");
    const gone = [];
    subscriber.on("message", (channel, key) => gone.push([channel, key]));
    await subscriber.subscribe("__keyevent@0__:expired");
    for (let number = 0; number < 8; number++) await redis.set(`short:${number}`, "x", "PX", 20);
    await until(() => gone.length === 8);
    assert.deepStrictEqual(gone.sort(), Array.from({ length: 8 }, (_, index) => ["__keyevent@0__:expired", `short:${index}`]));
    await redis.config("SET", "notify-keyspace-events", "");
}

async function main() {
    const redis = connect();
    const clients = [connect(), connect(), connect()];
    await redis.flushall();
    for (const show of [consumersInOrder, moves, streams, subscribers, expiredKeys]) await show(redis, clients);
    await Promise.all([redis, ...clients].map((client) => client.quit()));
    console.log("ioredis, messages: fine");
}

main().catch((error) => { console.error(error); process.exit(1); });
