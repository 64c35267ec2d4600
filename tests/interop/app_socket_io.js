// socket.io over its Redis adapters, three servers and six browsers: node app_socket_io.js PORT
const assert = require("node:assert");
const http = require("node:http");
const Redis = require("ioredis");
const { createClient } = require("redis");
const { createAdapter, createShardedAdapter } = require("@socket.io/redis-adapter");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");
const { setTimeout: sleep } = require("node:timers/promises");

const port = Number(process.argv[2]);
const SERVERS = 3;
const CLIENTS = 6;

async function until(isSo, what) {
    for (let tries = 0; !(await isSo()); tries++) {
        assert.ok(tries < 2000, `it does not come to pass: ${what}`);
        await sleep(10);
    }
}

async function started(adapter) {
    const web = http.createServer();
    const io = new Server(web, { adapter });
    io.on("connection", (socket) => {
        socket.on("join", async (room, done) => { await socket.join(room); done(); });
        socket.on("say", (room, text) => socket.to(room).emit("said", text));
    });
    await new Promise((listening) => web.listen(0, "127.0.0.1", listening));
    return io;
}

async function arrive(io) {
    const socket = connect(`http://127.0.0.1:${io.httpServer.address().port}`, { transports: ["websocket"], forceNew: true });
    const heard = [];
    socket.on("said", (text) => heard.push(text));
    socket.on("question", (number, answer) => answer(number * 2));
    await new Promise((connected, failed) => socket.on("connect", connected).on("connect_error", failed));
    return { socket, heard };
}

async function converse(adapters) {
    const servers = await Promise.all(adapters.map(started));
    const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => arrive(servers[index % SERVERS])));
    const heard = () => clients.map((client) => client.heard.splice(0));
    const all = (count) => until(() => clients.reduce((sum, client) => sum + client.heard.length, 0) >= count, `${count} messages`);
    // Adapters find each other after a moment: until then not all hear.
    await until(async () => (await servers[0].fetchSockets()).length === CLIENTS, "everybody is seen everywhere");

    servers[0].emit("said", "to all");
    await all(CLIENTS);
    assert.deepStrictEqual(heard(), clients.map(() => ["to all"]));

    await Promise.all([0, 1, 5].map((index) => clients[index].socket.emitWithAck("join", "chess")));
    await until(async () => (await servers[2].in("chess").fetchSockets()).length === 3, "the room has three");
    for (let number = 0; number < 100; number++) clients[0].socket.emit("say", "chess", number);
    await all(200);
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    assert.deepStrictEqual(heard(), [[], numbers, [], [], [], numbers], "who is in the room hears all, in order; nobody else does");

    servers[1].to("chess").except(clients[5].socket.id).emit("said", Buffer.from("binary"));
    await all(2);
    assert.deepStrictEqual(heard(), [[Buffer.from("binary")], [Buffer.from("binary")], [], [], [], []]);

    assert.deepStrictEqual(await servers[1].timeout(5000).emitWithAck("question", 21), Array(CLIENTS).fill(42));
    servers[2].on("sum", (numbers, done) => done(numbers[0] + numbers[1]));
    servers[1].on("sum", (numbers, done) => done(numbers[0] * numbers[1]));
    assert.deepStrictEqual((await servers[0].serverSideEmitWithAck("sum", [3, 4])).sort(), [12, 7]);

    servers[0].in("chess").socketsJoin("go");
    await until(async () => (await servers[1].in("go").fetchSockets()).length === 3, "they join a second room");
    servers[0].in("go").disconnectSockets();
    await until(async () => (await servers[0].fetchSockets()).length === 3, "three have left");

    for (const { socket } of clients) socket.close();
    await Promise.all(servers.map((io) => new Promise((closed) => io.close(closed))));
}

async function main() {
    const ioredis = Array.from({ length: 2 * SERVERS }, () => new Redis({ port, lazyConnect: true }));
    const node = Array.from({ length: 2 * SERVERS }, () => createClient({ socket: { port } }));
    // A client that is told to subscribe before it is ready fails its own check of that.
    await Promise.all([...ioredis, ...node].map((client) => client.connect()));
    const pairs = (clients) => Array.from({ length: SERVERS }, (_, index) => [clients[2 * index], clients[2 * index + 1]]);
    await converse(pairs(ioredis).map(([pub, sub]) => createAdapter(pub, sub)));
    console.log("socket.io with ioredis: fine");
    await converse(pairs(node).map(([pub, sub]) => createAdapter(pub, sub)));
    console.log("socket.io with node-redis: fine");
    await converse(pairs(node).map(([pub, sub]) => createShardedAdapter(pub, sub, { subscriptionMode: "dynamic" })));
    console.log("socket.io with sharded channels: fine");
    await Promise.all([...ioredis.map((client) => client.quit()), ...node.map((client) => client.close())]);
}

function fail(error) {
    console.error(error);
    process.exit(1);
}

process.on("unhandledRejection", fail);
// The adapters' timers would keep it for five seconds.
main().then(() => process.exit(0), fail);
