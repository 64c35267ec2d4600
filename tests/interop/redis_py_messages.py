"""Blocked consumers and subscribers with redis-py: python3 redis_py_messages.py PORT"""
import queue
import sys
import threading
import time
import redis

port = int(sys.argv[1])


def connect(protocol):
    return redis.Redis(port=port, protocol=protocol, decode_responses=True)


def until(r, is_so):
    """Waits until what clients do is as wanted."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.005)


def blocked(r):
    return r.info("clients")["blocked_clients"]


def started(protocol, wait, results):
    """A thread that waits with a client of its own, and says what came."""
    client = connect(protocol)
    thread = threading.Thread(target=lambda: results.put(wait(client)), daemon=True)
    thread.start()
    return thread


def consumers_in_order(r, protocol):
    results = queue.Queue()
    for number in range(4):
        keys = ["jobs:a", "jobs:b", "jobs:c", "jobs:d"]
        started(protocol, lambda client, number=number: (number, list(client.blpop(keys, timeout=20))), results)
        until(r, lambda: blocked(r) == number + 1)
    for number, key in enumerate(("jobs:d", "jobs:a", "jobs:c", "jobs:b")):
        r.lpush(key, f"job {number}")
        assert results.get(timeout=20) == (number, [key, f"job {number}"])
    # One push of several, in a transaction that ends before anybody is served.
    for number in range(2):
        started(protocol, lambda client, number=number: (number, client.brpop("jobs:a", timeout=20)[1]), results)
        until(r, lambda: blocked(r) == number + 1)
    pipe = r.pipeline(transaction=True)
    pipe.lpush("jobs:a", "first").lpush("jobs:a", "second").llen("jobs:a")
    assert pipe.execute() == [1, 2, 2]
    assert sorted(results.get(timeout=20) for _ in range(2)) == [(0, "first"), (1, "second")]


def moves(r, protocol):
    results = queue.Queue()
    started(protocol, lambda client: client.blmove("inbox", "working", 20, "LEFT", "RIGHT"), results)
    until(r, lambda: blocked(r) == 1)
    r.rpush("inbox", "parcel")
    assert results.get(timeout=20) == "parcel"
    assert r.lrange("working", 0, -1) == ["parcel"] and not r.exists("inbox")
    started(protocol, lambda client: [str(part) for part in client.bzpopmin(["due:a", "due:b"], timeout=20)], results)
    until(r, lambda: blocked(r) == 1)
    r.zadd("due:b", {"later": 2, "sooner": 1})
    key, member, score = results.get(timeout=20)
    assert (key, member, float(score)) == ("due:b", "sooner", 1.0)


def streams(r, protocol):
    results = queue.Queue()
    r.xgroup_create("log:a", "workers", mkstream=True)
    r.xgroup_create("log:b", "workers", mkstream=True)
    wanted = {"log:a": ">", "log:b": ">"}
    for number in range(2):
        started(
            protocol,
            lambda client, number=number: (number, client.xreadgroup("workers", f"worker{number}", wanted, block=20000, count=1)),
            results,
        )
        until(r, lambda: blocked(r) == number + 1)
    for number, key in enumerate(("log:b", "log:a")):
        r.xadd(key, {"number": number})
        worker, reply = results.get(timeout=20)
        found = [[key, entries[0]] for key, entries in reply.items()] if isinstance(reply, dict) else reply
        assert worker == number and len(found) == 1 and found[0][0] == key, (worker, reply)
        assert found[0][1][0][1] == {"number": str(number)}, reply
        assert r.xpending(key, "workers")["pending"] == 1
    started(protocol, lambda client: client.xread({"log:a": "$"}, block=20000), results)
    until(r, lambda: blocked(r) == 1)
    r.xadd("log:a", {"new": 1})
    assert "new" in str(results.get(timeout=20))
    assert not r.xread({"log:a": "$"}, block=30)


def subscribers(r, protocol):
    heard = r.pubsub()
    heard.subscribe("news")
    heard.psubscribe("news*")
    assert [message(heard)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert r.publish("news", "hello") == 2 and r.publish("newspaper", "paper") == 1 and r.publish("other", "x") == 0
    said = [message(heard) for _ in range(3)]
    assert [(each["type"], each["channel"], each["data"]) for each in said] == [
        ("message", "news", "hello"), ("pmessage", "news", "hello"), ("pmessage", "newspaper", "paper")], said
    assert r.pubsub_channels() == ["news"] and r.pubsub_numpat() == 1 and r.pubsub_numsub("news") == [("news", 1)]
    # A message comes after what was written before it in the same pipeline.
    pipe = r.pipeline(transaction=False)
    for number in range(200):
        pipe.set(f"article:{number}", number)
        pipe.publish("news", number)
    pipe.execute()
    for number in range(200):
        assert message(heard)["data"] == message(heard)["data"] == str(number)
        assert r.get(f"article:{number}") == str(number)
    if protocol == 2:
        heard.ping()
        assert message(heard)["type"] == "pong"
    heard.unsubscribe("news")
    heard.punsubscribe("news*")
    assert [message(heard)["type"] for _ in range(2)] == ["unsubscribe", "punsubscribe"]
    heard.close()
    until(r, lambda: r.publish("news", "nobody") == 0)


def message(heard):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        said = heard.get_message(timeout=1)
        if said is not None:
            return said
    raise AssertionError("no message came")


def expired_keys(r, protocol):
    r.config_set("notify-keyspace-events", "Exg")
    heard = r.pubsub()
    heard.psubscribe("__keyevent@0__:expire*")
    assert message(heard)["type"] == "psubscribe"
    r.delete("jobs:none")
    r.set("long", "x", ex=100)
    assert message(heard)["channel"] == "__keyevent@0__:expire"
    r.config_set("notify-keyspace-events", "Ex")
    for number in range(8):
        r.psetex(f"short:{number}", 20, "x")
    gone = [message(heard) for _ in range(8)]
    assert {each["channel"] for each in gone} == {"__keyevent@0__:expired"}, gone
    assert sorted(each["data"] for each in gone) == [f"short:{number}" for number in range(8)], gone
    heard.close()
    r.config_set("notify-keyspace-events", "")


for protocol in (2, 3):
    client = connect(protocol)
    client.flushall()
    for show in (consumers_in_order, moves, streams, subscribers, expired_keys):
        try:
            show(client, protocol)
        except Exception as error:
            raise AssertionError(f"{show.__name__}, RESP{protocol}") from error
    print(f"redis-py {redis.__version__}, messages, RESP{protocol}: fine")
