// Blocked consumers and subscribers with node-redis: node node_redis_messages.js PORT
const assert = require("node:assert");
const { createClient } = require("redis");
const { setTimeout: sleep } = require("node:timers/promises");

/// Objects of the library may lack a prototype; what they hold counts.
const same = (found, expected) => assert.deepStrictEqual(JSON.parse(JSON.stringify(found)), expected);

/// The ids that XREAD found, by stream: node-redis gives objects in RESP2, the bare reply in RESP3.
function identities(reply) {
    if (Array.isArray(reply)) return reply.map(({ name, messages }) => [name, messages.map(({ id }) => id)]);
    return Object.entries(reply).map(([name, messages]) => [name, messages.map(([id]) => id)]);
}

async function connect(RESP) {
    const client = createClient({ RESP, unstableResp3: true, socket: { host: "127.0.0.1", port: Number(process.argv[2]) } });
    client.on("error", (error) => { throw error; });
    return client.connect();
}

async function until(isSo) {
    for (let tries = 0; !(await isSo()); tries++) {
        assert.ok(tries < 4000, "it does not come to pass");
        await sleep(5);
    }
}

function untilBlocked(client, count) {
    return until(async () => /blocked_clients:(\d+)/.exec(await client.info("clients"))[1] === String(count));
}

async function consumersInOrder(client, clients) {
    const waiting = [];
    for (const consumer of clients) {
        waiting.push(consumer.blPop(["jobs:a", "jobs:b", "jobs:c", "jobs:d"], 20));
        await untilBlocked(client, waiting.length);
    }
    for (const [number, key] of ["jobs:d", "jobs:b", "jobs:a"].entries()) {
        await client.lPush(key, `job ${number}`);
        same(await waiting[number], { key, element: `job ${number}` });
    }
}

async function moves(client, [mover, other]) {
    const moved = mover.blMove("inbox", "working", "LEFT", "RIGHT", 20);
    await untilBlocked(client, 1);
    await client.multi().set("parcel:1", "contents").rPush("inbox", "parcel:1").exec();
    assert.strictEqual(await moved, "parcel:1");
    same(await client.lRange("working", 0, -1), ["parcel:1"]);
    const due = other.bzPopMin(["due:a", "due:b"], 20);
    await untilBlocked(client, 1);
    await client.zAdd("due:b", [{ score: 2, value: "later" }, { score: 1, value: "sooner" }]);
    same(await due, { key: "due:b", value: "sooner", score: 1 });
}

async function streams(client, clients) {
    for (const key of ["log:a", "log:b"]) await client.xGroupCreate(key, "workers", "$", { MKSTREAM: true });
    const wanted = [{ key: "log:a", id: ">" }, { key: "log:b", id: ">" }];
    const waiting = [];
    for (const [index, consumer] of clients.slice(0, 2).entries()) {
        waiting.push(consumer.xReadGroup("workers", `worker${index}`, wanted, { COUNT: 1, BLOCK: 20000 }));
        await untilBlocked(client, index + 1);
    }
    for (const [index, name] of ["log:b", "log:a"].entries()) {
        const id = await client.xAdd(name, "*", { number: String(index) });
        same(identities(await waiting[index]), [[name, [id]]]);
    }
}

async function subscribers(client, [, , subscriber]) {
    const heard = [];
    await subscriber.subscribe("news", (message, channel) => heard.push([channel, message]));
    await subscriber.pSubscribe("news*", (message, channel) => heard.push(["pattern", channel, message]));
    assert.strictEqual(await client.publish("news", "hello"), 2);
    assert.strictEqual(await client.publish("newspaper", "paper"), 1);
    await until(() => heard.length === 3);
    same(heard.splice(0), [["news", "hello"], ["pattern", "news", "hello"], ["pattern", "newspaper", "paper"]]);
    await subscriber.pUnsubscribe("news*");
    // What is sent in one turn of the event loop goes out as a pipeline.
    const numbers = Array.from({ length: 200 }, (_, number) => String(number));
    await Promise.all(numbers.flatMap((number) => [client.set(`article:${number}`, number), client.publish("news", number)]));
    await until(() => heard.length === 200);
    same(heard.splice(0).map(([, number]) => number), numbers);
    await subscriber.sSubscribe("shard news", (message) => heard.push(message));
    assert.strictEqual(await client.sPublish("shard news", "near"), 1);
    await until(() => heard.length === 1);
    same(heard.splice(0), ["near"]);
    await subscriber.sUnsubscribe("shard news");
    await subscriber.unsubscribe("news");
    assert.strictEqual(await client.publish("news", "nobody"), 0);
    // It is an ordinary client again (one that answers with buffers).
    assert.strictEqual(String(await subscriber.get("article:7")), "7");
}

async function expiredKeys(client, [, , subscriber]) {
    await client.configSet("notify-keyspace-events", "Ex");
    const gone = [];
    await subscriber.subscribe("__keyevent@0__:expired", (key) => gone.push(key));
    const names = Array.from({ length: 8 }, (_, number) => `short:${number}`);
    await Promise.all(names.map((name) => client.set(name, "x", { PX: 20 })));
    await until(() => gone.length === names.length);
    same(gone.sort(), names);
    await subscriber.unsubscribe("__keyevent@0__:expired");
    await client.configSet("notify-keyspace-events", "");
}

async function check(RESP) {
    const client = await connect(RESP);
    const clients = [await connect(RESP), await connect(RESP), await connect(RESP)];
    await client.flushAll();
    for (const show of [consumersInOrder, moves, streams, subscribers, expiredKeys]) await show(client, clients);
    await Promise.all([client, ...clients].map((each) => each.quit()));
    console.log(`node-redis, messages, RESP${RESP}: fine`);
}

check(2).then(() => check(3)).catch((error) => { console.error(error); process.exit(1); });
