// node-redis against a server: node node_redis.js PORT
const assert = require("node:assert");
const { createClient } = require("redis");

async function check(RESP) {
    const client = createClient({ RESP, socket: { host: "127.0.0.1", port: Number(process.argv[2]) } });
    client.on("error", (error) => { throw error; });
    await client.connect();
    await client.flushAll();
    // What is sent in one turn of the event loop goes out as a pipeline.
    const values = await Promise.all(
        Array.from({ length: 300 }, (_, index) => client.set(`key:${index}`, String(index)).then(() => client.get(`key:${index}`))));
    values.forEach((value, index) => assert.strictEqual(value, String(index)));

    await client.mSet({ a: "1", b: "2" });
    assert.deepStrictEqual(await client.multi().incr("a").incrBy("b", 5).mGet(["a", "b"]).exec(), [2, 7, ["2", "7"]]);
    await client.watch(["a", "b"]);
    const other = client.duplicate();
    await other.connect();
    await other.set("a", "x");
    await assert.rejects(client.multi().set("b", "y").exec(), /watched/i);

    let found = 0;
    for await (const keys of client.scanIterator({ MATCH: "key:*", COUNT: 20 })) found += Array.isArray(keys) ? keys.length : 1;
    assert.strictEqual(found, 300);
    await Promise.all([client.quit(), other.quit()]);
    console.log(`node-redis, RESP${RESP}: fine`);
}

check(2).then(() => check(3)).catch((error) => { console.error(error); process.exit(1); });
