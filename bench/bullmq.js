// Jobs a second with BullMQ: NODE_PATH=tests/.tools/node_modules node bench/bullmq.js PORT [HUNDREDS-OF-JOBS] [WORKERS]
//
// Three loops: jobs are added one call each, jobs are added in bulk, and both ends at once (added by some, processed by others).
// A job counts when its worker is told that it is completed. One line of JSON comes out.
const { Queue, Worker } = require("bullmq");
const Redis = require("ioredis");
const { performance } = require("node:perf_hooks");

const [port, hundreds, workers] = [6379, 200, 2].map((usual, index) => Number(process.argv[2 + index] ?? usual));
const jobs = 100 * hundreds;
const connection = { port, maxRetriesPerRequest: null };
const AT_ONCE = 50;

// Does `count` things, so many at once.
async function doAll(count, act) {
    let next = 0;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        while (next < count) await act(next++);
    }));
}

async function perSecond(work) {
    const start = performance.now();
    await work();
    return Math.round(jobs / ((performance.now() - start) / 1000));
}

// Workers on a queue; the promise is kept when all jobs are completed.
function processAll(name) {
    let left = jobs;
    let done;
    const all = new Promise((resolve, reject) => { done = { resolve, reject }; });
    const opened = Array.from({ length: workers }, () => {
        const worker = new Worker(name, async (job) => job.data.number, { connection, concurrency: AT_ONCE, removeOnComplete: { count: 0 } });
        worker.on("completed", () => --left === 0 && done.resolve());
        worker.on("failed", (_, error) => done.reject(error));
        worker.on("error", done.reject);
        return worker;
    });
    return { all, close: () => Promise.all(opened.map((worker) => worker.close())) };
}

async function processing(name, add) {
    const { all, close } = processAll(name);
    await Promise.all([add(), all]);
    await close();
}

async function main() {
    const redis = new Redis(connection);
    await redis.flushall();
    await redis.quit();
    const [one, other] = ["one", "other"].map((name) => new Queue(name, { connection }));
    const figures = { jobs, workers };
    figures.added_per_s = await perSecond(() => doAll(jobs, (number) => one.add("job", { number })));
    figures.processed_per_s = await perSecond(() => processing("one", async () => {}));
    figures.added_and_processed_per_s = await perSecond(() => processing("other", () => doAll(hundreds, (batch) =>
        other.addBulk(Array.from({ length: 100 }, (_, number) => ({ name: "job", data: { number: batch * 100 + number } }))))));
    await Promise.all([one.close(), other.close()]);
    console.log(JSON.stringify(figures));
}

main().catch((error) => { console.error(error); process.exit(1); });
