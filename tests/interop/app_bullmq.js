// BullMQ: queues, workers, delays, priorities, schedules, flows and limits: node app_bullmq.js PORT
const assert = require("node:assert");
const { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } = require("bullmq");
const Redis = require("ioredis");
const { setTimeout: sleep } = require("node:timers/promises");

const connection = { port: Number(process.argv[2]), maxRetriesPerRequest: null };
const opened = [];

// What is opened is closed at the end, the last first.
function open(thing) {
    thing.on?.("error", fail);
    opened.push(thing);
    return thing;
}

const queue = (name) => open(new Queue(name, { connection }));
const worker = (name, work, options = {}) => open(new Worker(name, work, { connection, ...options }));
async function events(name) {
    const all = open(new QueueEvents(name, { connection }));
    await all.waitUntilReady();
    return all;
}

async function until(isSo, what) {
    for (let tries = 0; !(await isSo()); tries++) {
        assert.ok(tries < 2000, `it does not come to pass: ${what}`);
        await sleep(10);
    }
}

async function addAndProcess() {
    const jobs = queue("plain");
    const heard = await events("plain");
    const completed = [];
    heard.on("completed", ({ jobId, returnvalue }) => completed.push([jobId, returnvalue]));
    const workers = [1, 2].map(() => worker("plain", async (job) => job.data.number * 2, { concurrency: 5 }));
    const one = await jobs.add("double", { number: 21 });
    assert.strictEqual(await one.waitUntilFinished(heard, 20000), 42);
    const many = await jobs.addBulk(Array.from({ length: 200 }, (_, number) => ({ name: "double", data: { number } })));
    await until(async () => completed.length === 201, "201 jobs are completed");
    const results = new Map(completed);
    for (const [number, job] of many.entries()) assert.strictEqual(results.get(job.id), number * 2);
    assert.deepStrictEqual(await jobs.getJobCounts("waiting", "active", "completed", "failed", "delayed"), { waiting: 0, active: 0, completed: 201, failed: 0, delayed: 0 });
    assert.strictEqual((await jobs.getJob(one.id)).returnvalue, 42);
    assert.strictEqual((await jobs.getCompleted(0, 9)).length, 10);
    await jobs.clean(0, 1000, "completed");
    assert.strictEqual(await jobs.getCompletedCount(), 0);
    await Promise.all(workers.map((each) => each.close()));
}

async function failAndRetry() {
    const jobs = queue("failing");
    const heard = await events("failing");
    const seen = [];
    worker("failing", async (job) => {
        seen.push([job.name, job.attemptsMade]);
        if (job.name === "never") throw new UnrecoverableError("in vain");
        if (job.attemptsMade < 2) throw new Error("not yet");
        await job.updateProgress(50);
        await job.log("third time");
        return "well";
    });
    const progress = [];
    heard.on("progress", ({ data }) => progress.push(data));
    const job = await jobs.add("often", {}, { attempts: 5, backoff: { type: "exponential", delay: 20 } });
    assert.strictEqual(await job.waitUntilFinished(heard, 20000), "well");
    const never = await jobs.add("never", {}, { attempts: 5 });
    await assert.rejects(never.waitUntilFinished(heard, 20000), /in vain/);
    assert.deepStrictEqual(seen, [["often", 0], ["often", 1], ["often", 2], ["never", 0]]);
    await until(() => progress.length === 1, "progress is heard");
    assert.deepStrictEqual((await jobs.getJobLogs(job.id)).logs, ["third time"]);
    assert.deepStrictEqual((await jobs.getFailed()).map(({ id, failedReason }) => [id, failedReason]), [[never.id, "in vain"]]);
    await never.retry();
    await until(async () => seen.length === 5, "the failed job is tried again");
}

async function delayAndPriority() {
    const jobs = queue("order");
    const order = [];
    const started = Date.now();
    await jobs.add("later", {}, { delay: 300 });
    await jobs.pause();
    for (const [name, options] of [["low", { priority: 10 }], ["high", { priority: 1 }], ["last", { priority: 10 }], ["first", {}], ["urgent", { lifo: true }]]) await jobs.add(name, {}, options);
    assert.deepStrictEqual(await jobs.getJobCounts("prioritized", "paused", "waiting"), { prioritized: 3, paused: 0, waiting: 2 });
    const one = worker("order", async (job) => { order.push([job.name, Date.now() - started]); });
    await one.waitUntilReady();
    await sleep(50);
    assert.ok(order.every(([name]) => name === "later"), "who is paused works");
    await jobs.resume();
    await until(() => order.length === 6, "all six have their turn");
    const due = order.findIndex(([name]) => name === "later");
    const [[, done]] = order.splice(due, 1);
    assert.ok(done >= 300, `delayed by 300 ms, done after ${done}`);
    assert.deepStrictEqual(order.map(([name]) => name), ["urgent", "first", "high", "low", "last"]);
    const removed = await jobs.add("removed", {}, { delay: 60000 });
    await removed.changeDelay(50000);
    await removed.promote();
    await until(() => order.length === 6, "a promoted job does not wait");
    const twice = await Promise.all([1, 2, 3].map((number) => jobs.add("same", { number }, { jobId: "the-same", delay: 60000 })));
    assert.deepStrictEqual(twice.map(({ id }) => id), ["the-same", "the-same", "the-same"]);
    assert.strictEqual(await jobs.getDelayedCount(), 1);
    await jobs.remove("the-same");
    assert.strictEqual(await jobs.getJob("the-same"), undefined);
}

async function schedules() {
    const jobs = queue("scheduled");
    const times = [];
    worker("scheduled", async (job) => { times.push([job.name, Number(job.id.split(":").pop()), Date.now()]); });
    await jobs.upsertJobScheduler("often", { every: 100 }, { name: "tick", data: {} });
    await jobs.upsertJobScheduler("nightly", { pattern: "0 0 3 * * *" }, { name: "night", data: {} });
    await until(() => times.length >= 4, "it ticks four times");
    // When a tick is due is in its job's name: never twice the same, every 100 ms, and none before its time.
    for (const [tick, [name, due, done]] of times.entries()) {
        assert.ok(name === "tick" && done >= due, JSON.stringify(times));
        const since = due - (times[tick - 1]?.[1] ?? due - 100);
        assert.ok(since > 0 && (since % 100 === 0 || tick < 2), JSON.stringify(times));
    }
    assert.deepStrictEqual((await jobs.getJobSchedulers()).map(({ key }) => key).sort(), ["nightly", "often"]);
    assert.ok(await jobs.removeJobScheduler("often") && await jobs.removeJobScheduler("nightly"));
    await sleep(150);
    const ticks = times.length;
    await sleep(250);
    assert.strictEqual(times.length, ticks, "it goes on ticking");
    assert.strictEqual(await jobs.getDelayedCount(), 0);
}

async function flows() {
    const heard = await events("cake");
    queue("cake");
    worker("ingredients", async (job) => `${job.data.grams} g of ${job.name}`, { concurrency: 3 });
    worker("cake", async (job) => Object.values(await job.getChildrenValues()).sort());
    const flow = open(new FlowProducer({ connection }));
    const grams = { flour: 200, sugar: 100, butter: 150 };
    const tree = await flow.add({
        name: "bake", queueName: "cake",
        children: Object.entries(grams).map(([name, grams]) => ({ name, data: { grams }, queueName: "ingredients" })),
    });
    assert.deepStrictEqual(await tree.job.waitUntilFinished(heard, 20000), ["100 g of sugar", "150 g of butter", "200 g of flour"]);
    const trees = await flow.addBulk(Array.from({ length: 20 }, (_, number) => ({
        name: `bake ${number}`, queueName: "cake",
        children: [{ name: "flour", data: { grams: number }, queueName: "ingredients" }],
    })));
    for (const [number, { job }] of trees.entries()) assert.deepStrictEqual(await job.waitUntilFinished(heard, 20000), [`${number} g of flour`]);
    // A child that fails takes its parent with it, if told to.
    worker("spoiled", async () => { throw new Error("the eggs are off"); });
    const lost = await flow.add({ name: "bake", queueName: "cake", children: [{ name: "eggs", queueName: "spoiled", opts: { failParentOnFailure: true } }] });
    await assert.rejects(lost.job.waitUntilFinished(heard, 20000), /child .* failed/);
    assert.strictEqual(await lost.job.getState(), "failed");
}

async function rateLimit() {
    const jobs = queue("limited");
    const started = Date.now();
    let done = 0;
    worker("limited", async () => { done++; }, { limiter: { max: 5, duration: 400 }, concurrency: 5 });
    await jobs.addBulk(Array.from({ length: 12 }, () => ({ name: "call", data: {} })));
    await until(() => done === 12, "all twelve are done");
    // The last two are in the third window.
    assert.ok(Date.now() - started >= 800, `12 jobs at 5 in 400 ms took ${Date.now() - started} ms`);
}

async function stalled() {
    const jobs = queue("stalled");
    const heard = await events("stalled");
    // A worker that takes a job and dies: nobody renews its lock, and another worker gets the job.
    const dead = open(new Worker("stalled", null, { connection, lockDuration: 200 }));
    const job = await jobs.add("orphan", {});
    const taken = await dead.getNextJob("token");
    assert.strictEqual(taken.id, job.id);
    assert.strictEqual(await jobs.getActiveCount(), 1);
    worker("stalled", async () => "adopted", { stalledInterval: 150, lockDuration: 200 });
    assert.strictEqual(await job.waitUntilFinished(heard, 20000), "adopted");
    await assert.rejects(taken.moveToFinished?.("late", "token") ?? taken.moveToCompleted("late", "token"), /Missing lock|not in the active state|Lock mismatch/i);
}

async function obliterate() {
    for (const thing of opened.filter((each) => each instanceof Worker)) await thing.close();
    for (const name of ["plain", "failing", "order", "scheduled", "cake", "limited", "stalled"]) {
        const jobs = queue(name);
        await jobs.add("rest", {}, { delay: 10000 });
        await jobs.obliterate({ force: true });
        assert.deepStrictEqual(Object.values(await jobs.getJobCounts()).filter((count) => count !== 0), []);
    }
}

function fail(error) {
    console.error(error);
    process.exit(1);
}

async function main() {
    const redis = new Redis(connection);
    await redis.flushall();
    await redis.quit();
    await Promise.all([addAndProcess, failAndRetry, delayAndPriority, schedules, flows, rateLimit, stalled].map((show) => show()));
    await obliterate();
    await Promise.all(opened.map((thing) => thing.close()));
    console.log("BullMQ: fine");
}

process.on("unhandledRejection", fail);
main().catch(fail);
