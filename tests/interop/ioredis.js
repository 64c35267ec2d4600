// ioredis against a server: node ioredis.js PORT
const assert = require("node:assert");
const Redis = require("ioredis");

async function main() {
    const client = new Redis({ port: Number(process.argv[2]), lazyConnect: true });
    await client.connect();
    await client.flushall();
    const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 256));
    await client.set("binary", bytes);
    assert.deepStrictEqual(await client.getBuffer("binary"), bytes);

    const pipeline = client.pipeline();
    for (let index = 0; index < 300; index++) pipeline.set(`key:${index}`, index).get(`key:${index}`);
    const replies = await pipeline.exec();
    for (let index = 0; index < 300; index++) assert.deepStrictEqual(replies[2 * index + 1], [null, String(index)]);

    const other = client.duplicate();
    await client.mset("a", 1, "b", 2);
    await client.watch("a", "b");
    await other.set("b", 3);
    assert.strictEqual(await client.multi().set("a", 9).exec(), null);
    assert.deepStrictEqual(await client.multi().incr("a").incr("b").exec(), [[null, 2], [null, 4]]);
    assert.deepStrictEqual(await client.mget("a", "b"), ["2", "4"]);

    const found = new Set();
    for await (const keys of client.scanStream({ match: "key:*", count: 50 })) keys.forEach((key) => found.add(key));
    assert.strictEqual(found.size, 300);
    await Promise.all([client.quit(), other.quit()]);
    console.log("ioredis: fine");
}

main().catch((error) => { console.error(error); process.exit(1); });
