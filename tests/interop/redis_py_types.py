"""What guides show with redis-py, as they print it: python3 redis_py_types.py PORT"""
import sys
import time
import redis

port = int(sys.argv[1])


def sessions(r):
    assert r.hset("session:123", mapping={"user": "alice", "role": "admin", "visits": 1}) == 3
    assert r.expire("session:123", 1800)
    assert r.hgetall("session:123") == {"user": "alice", "role": "admin", "visits": "1"}
    assert r.hincrby("session:123", "visits", 1) == 2
    assert r.hincrbyfloat("session:123", "score", 0.5) == 0.5
    assert r.hmget("session:123", "user", "none") == ["alice", None]
    assert r.hdel("session:123", "role") == 1 and not r.hexists("session:123", "role")
    assert sorted(r.hkeys("session:123")) == ["score", "user", "visits"]
    assert dict(r.hscan_iter("session:123")) == r.hgetall("session:123")
    assert r.hexpire("session:123", 100, "user", "none") == [1, -2]
    assert 0 < r.httl("session:123", "user")[0] <= 100
    assert 0 < r.ttl("session:123") <= 1800


def tokens(r):
    assert r.setex("token:abc", 60, "user:1")
    assert r.get("token:abc") == "user:1" and 0 < r.ttl("token:abc") <= 60
    assert r.set("lock:job", "me", nx=True, ex=10) and r.set("lock:job", "you", nx=True) is None
    assert r.psetex("token:short", 30, "gone soon")
    time.sleep(0.1)
    assert r.get("token:short") is None and r.ttl("token:short") == -2
    assert r.getdel("token:abc") == "user:1" and not r.exists("token:abc")


def leaderboards(r):
    assert r.zadd("board", {"alice": 100, "bob": 85.5, "carol": 120}) == 3
    top = r.zrevrange("board", 0, 1, withscores=True)
    assert [tuple(pair) for pair in top] == [("carol", 120.0), ("alice", 100.0)], top
    assert r.zincrby("board", 50, "bob") == 135.5
    assert r.zrevrank("board", "bob") == 0 and r.zrank("board", "bob") == 2
    assert r.zscore("board", "none") is None and r.zmscore("board", ["bob", "none"]) == [135.5, None]
    ranged = r.zrange("board", 100, 130, byscore=True, withscores=True)
    assert [tuple(pair) for pair in ranged] == [("alice", 100.0), ("carol", 120.0)], ranged
    assert r.zadd("board", {"alice": 90}, gt=True) == 0 and r.zscore("board", "alice") == 100.0
    assert r.zadd("elsewhere", {"alice": 1, "dave": 2}) == 2
    assert r.zunionstore("all", ["board", "elsewhere"]) == 4 and r.zscore("all", "alice") == 101.0
    # redis-py gives a pair in a list in RESP2, the bare pair in RESP3.
    assert r.zpopmin("all") in ([("dave", 2.0)], [["dave", 2.0]], ["dave", 2.0], ("dave", 2.0))


def friends(r):
    r.sadd("friends:alice", "bob", "carol", "dave")
    r.sadd("friends:bob", "alice", "carol", "dave")
    assert set(r.sinter("friends:alice", "friends:bob")) == {"carol", "dave"}
    assert r.sintercard(2, ["friends:alice", "friends:bob"]) == 2
    assert set(r.sdiff("friends:alice", "friends:bob")) == {"bob"}
    assert r.sunionstore("friends:all", "friends:alice", "friends:bob") == 4
    assert r.sismember("friends:all", "alice") and r.smismember("friends:all", ["bob", "eve"]) == [1, 0]
    assert r.spop("friends:all") not in r.smembers("friends:all") and r.scard("friends:all") == 3


def places(r):
    assert r.geoadd("Sicily", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
    assert r.geodist("Sicily", "Palermo", "Catania", "km") == 166.2742
    found = r.georadius("Sicily", 15, 37, 200, unit="km", withcoord=True, withdist=True, sort="ASC")
    assert [(name, distance) for name, distance, _ in found] == [("Catania", 56.4413), ("Palermo", 190.4424)], found
    assert abs(found[0][2][0] - 15.087269) < 1e-5 and abs(found[0][2][1] - 37.502669) < 1e-5
    assert r.geosearch("Sicily", longitude=15, latitude=37, radius=100, unit="km") == ["Catania"]
    assert r.geohash("Sicily", "Palermo", "Catania") == ["sqc8b49rny0", "sqdtr74hyu0"]
    assert r.geosearchstore("near", "Sicily", member="Palermo", radius=10, unit="km") == 1


def visitors(r):
    assert r.pfadd("visitors:1", "alice", "bob", "alice") == 1 and r.pfcount("visitors:1") == 2
    r.pfadd("visitors:2", "bob", "carol")
    assert r.pfcount("visitors:1", "visitors:2") == 3
    assert r.pfmerge("visitors", "visitors:1", "visitors:2") and r.pfcount("visitors") == 3
    assert r.setbit("days", 7, 1) == 0 and r.bitcount("days") == 1 and r.getbit("days", 7) == 1


def queues(r):
    assert r.lpush("queue", "a", "b", "c") == 3 and r.lrange("queue", 0, -1) == ["c", "b", "a"]
    assert r.brpop("queue", timeout=1) in (("queue", "a"), ["queue", "a"])
    assert r.lmove("queue", "processing", "RIGHT", "LEFT") == "b" and r.lrem("processing", 1, "b") == 1
    assert r.blmove("queue", "processing", 1, "RIGHT", "LEFT") == "c"
    assert r.blpop(["queue", "none"], timeout=0.05) is None
    assert r.lpos("processing", "c") == 0 and r.ltrim("processing", 0, 9)
    r.rpush("ids", 3, 1, 2)
    r.mset({"weight:1": 30, "weight:2": 20, "weight:3": 10, "name:1": "one", "name:2": "two", "name:3": "three"})
    assert r.sort("ids") == ["1", "2", "3"]
    assert r.sort("ids", by="weight:*", get=["#", "name:*"], groups=True) == [("3", "three"), ("2", "two"), ("1", "one")]


def limiters(r):
    for count in range(1, 4):
        pipe = r.pipeline(transaction=True)
        now = time.time()
        pipe.zremrangebyscore("limit:alice", 0, now - 60)
        pipe.zadd("limit:alice", {f"{now}:{count}": now})
        pipe.zcard("limit:alice")
        pipe.expire("limit:alice", 60)
        assert pipe.execute() == [0, 1, count, True]
    pipe = r.pipeline(transaction=True)
    assert pipe.incr("hits:alice").expire("hits:alice", 60).execute() == [1, True]


def streams(r):
    first = r.xadd("events", {"type": "login", "user": "alice"})
    second = r.xadd("events", {"type": "logout", "user": "alice"}, maxlen=1000, approximate=True)
    assert first < second and r.xlen("events") == 2
    [entry] = r.xrange("events", count=1)
    assert tuple(entry) == (first, {"type": "login", "user": "alice"})
    assert [identity for identity, _ in r.xrevrange("events")] == [second, first]
    assert identities(r.xread({"events": "0"}, count=1)) == [first]
    assert r.xgroup_create("events", "workers", id="0")
    try:
        r.xgroup_create("events", "workers", id="0")
        raise AssertionError("a group was made twice")
    except redis.ResponseError as error:
        assert str(error) == "BUSYGROUP Consumer Group name already exists", error
    assert identities(r.xreadgroup("workers", "one", {"events": ">"}, count=1)) == [first]
    assert identities(r.xreadgroup("workers", "two", {"events": ">"}, count=10)) == [second]
    pending = r.xpending("events", "workers")
    assert pending["pending"] == 2 and pending["min"] == first and pending["max"] == second, pending
    assert [row["message_id"] for row in r.xpending_range("events", "workers", "-", "+", 10)] == [first, second]
    assert [identity for identity, _ in r.xclaim("events", "workers", "two", 0, [first])] == [first]
    assert r.xack("events", "workers", first, second) == 2
    assert r.xautoclaim("events", "workers", "two", 0)[:2] == ["0-0", []]
    assert {row["name"] for row in r.xinfo_consumers("events", "workers")} == {"one", "two"}
    assert r.xinfo_groups("events")[0]["pending"] == 0 and r.xinfo_stream("events")["length"] == 2


def identities(reply):
    """The ids that XREAD found in the one stream asked for: redis-py gives a list in RESP2, a dictionary in RESP3."""
    if isinstance(reply, dict):
        [[entries]] = reply.values()
    else:
        [(_, entries)] = reply
    return [identity for identity, _ in entries]


for protocol in (2, 3):
    client = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    client.flushall()
    for show in (sessions, tokens, leaderboards, friends, places, visitors, queues, limiters, streams):
        try:
            show(client)
        except Exception as error:
            raise AssertionError(f"{show.__name__}, RESP{protocol}") from error
    print(f"redis-py {redis.__version__}, types, RESP{protocol}: fine")
