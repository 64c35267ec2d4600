// rate-limiter-flexible, with ioredis and with node-redis: node app_rate_limiter_flexible.js PORT
const assert = require("node:assert");
const Redis = require("ioredis");
const { createClient } = require("redis");
const { BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis, RateLimiterUnion } = require("rate-limiter-flexible");
const { setTimeout: sleep } = require("node:timers/promises");

const port = Number(process.argv[2]);

// How many of these were let through.
async function passed(promises) {
    const results = await Promise.allSettled(promises);
    for (const { status, reason } of results) if (status === "rejected" && reason instanceof Error) throw reason;
    return results.filter(({ status }) => status === "fulfilled").length;
}

const times = (count, ask) => Array.from({ length: count }, (_, index) => ask(index));

// Several clients ask at once; together they get what the limit says, no more and no less.
async function sharedLimit(stores) {
    const limiters = stores.map((store) => new RateLimiterRedis({ ...store, keyPrefix: "shared", points: 100, duration: 30 }));
    for (const user of ["ann", "bob", "cat", "dan"]) {
        assert.strictEqual(await passed(times(300, (index) => limiters[index % limiters.length].consume(user))), 100, user);
        const now = await limiters[0].get(user);
        assert.strictEqual(now.consumedPoints, 300);
        assert.ok(now.remainingPoints === 0 && now.msBeforeNext > 0 && now.msBeforeNext <= 30000, now.toString());
    }
    await limiters[1].delete("ann");
    assert.strictEqual(await limiters[0].get("ann"), null);
    assert.strictEqual((await limiters[0].consume("ann", 30)).remainingPoints, 70);
    assert.strictEqual((await limiters[1].penalty("ann", 50)).remainingPoints, 20);
    assert.strictEqual((await limiters[0].reward("ann", 10)).remainingPoints, 30);
    await assert.rejects(limiters[1].consume("ann", 31), ({ remainingPoints }) => remainingPoints === 0);
    await limiters[0].set("eve", 99, 30);
    assert.strictEqual(await passed(times(5, () => limiters[1].consume("eve"))), 1);
}

async function windowEnds([store]) {
    const limiter = new RateLimiterRedis({ ...store, keyPrefix: "window", points: 3, duration: 1 });
    assert.strictEqual(await passed(times(6, () => limiter.consume("user"))), 3);
    await sleep((await limiter.get("user")).msBeforeNext + 20);
    assert.strictEqual(await passed(times(6, () => limiter.consume("user"))), 3);
}

async function blocked([store, other]) {
    const options = { keyPrefix: "login", points: 5, duration: 10, blockDuration: 60 };
    const [limiter, elsewhere] = [store, other].map((each) => new RateLimiterRedis({ ...each, ...options }));
    assert.strictEqual(await passed(times(5, () => limiter.consume("mallory"))), 5);
    await assert.rejects(limiter.consume("mallory"), ({ msBeforeNext }) => msBeforeNext > 50000);
    // Who is shut out is shut out everywhere.
    const { msBeforeNext } = await elsewhere.get("mallory");
    assert.ok(msBeforeNext > 50000 && msBeforeNext <= 60000, String(msBeforeNext));
    await elsewhere.block("trent", 20);
    await assert.rejects(limiter.consume("trent"), ({ msBeforeNext }) => msBeforeNext > 10000);
}

async function together([store, other]) {
    const bursty = new BurstyRateLimiter(
        new RateLimiterRedis({ ...store, keyPrefix: "calm", points: 2, duration: 20 }),
        new RateLimiterRedis({ ...other, keyPrefix: "burst", points: 5, duration: 20 }));
    assert.strictEqual(await passed(times(20, () => bursty.consume("user"))), 7);
    const union = new RateLimiterUnion(
        new RateLimiterRedis({ ...store, keyPrefix: "second", points: 4, duration: 20 }),
        new RateLimiterRedis({ ...other, keyPrefix: "minute", points: 6, duration: 60 }));
    const results = await Promise.allSettled(times(8, () => union.consume("user")));
    assert.strictEqual(results.filter(({ status }) => status === "fulfilled").length, 4);
    const queue = new RateLimiterQueue(new RateLimiterRedis({ ...store, keyPrefix: "queue", points: 2, duration: 1 }));
    const started = Date.now();
    await Promise.all(times(3, () => queue.removeTokens(1, "user")));
    assert.ok(Date.now() - started >= 500, "the third waits for the next second");
}

async function main() {
    const ioredis = [new Redis({ port, enableOfflineQueue: false, lazyConnect: true }), new Redis({ port, enableOfflineQueue: false, lazyConnect: true })];
    const node = [createClient({ socket: { port }, disableOfflineQueue: true }), createClient({ socket: { port }, disableOfflineQueue: true })];
    await Promise.all([...ioredis, ...node].map((client) => client.connect()));
    const kinds = {
        ioredis: ioredis.map((storeClient) => ({ storeClient })),
        "node-redis": node.map((storeClient) => ({ storeClient, useRedisPackage: true })),
    };
    for (const [name, stores] of Object.entries(kinds)) {
        await ioredis[0].flushall();
        await Promise.all([sharedLimit, windowEnds, blocked, together].map((show) => show(stores)));
        console.log(`rate-limiter-flexible with ${name}: fine`);
    }
    await Promise.all([...ioredis.map((client) => client.quit()), ...node.map((client) => client.close())]);
}

function fail(error) {
    console.error(error);
    process.exit(1);
}

process.on("unhandledRejection", fail);
main().catch(fail);
