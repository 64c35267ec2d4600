"""redis-py against a server: python3 redis_py.py PORT"""
import sys
import redis

port = int(sys.argv[1])
ALL_BYTES = bytes(range(256)) * 40


def check(protocol):
    client = redis.Redis(port=port, protocol=protocol)
    assert client.ping()
    client.flushall()
    client.set(ALL_BYTES, ALL_BYTES)
    assert client.get(ALL_BYTES) == ALL_BYTES

    # Pipelines, plain and as transactions, over many keys.
    for transaction in (False, True):
        pipe = client.pipeline(transaction=transaction)
        for index in range(500):
            pipe.set(f"key:{index}", index)
            pipe.incr(f"key:{index}")
            pipe.get(f"key:{index}")
        replies = pipe.execute()
        assert replies[1::3] == list(range(1, 501)), replies[:9]
        assert replies[2::3] == [str(index).encode() for index in range(1, 501)]

    # Optimistic locking over two keys: a change in between is noticed.
    client.mset({"from": 10, "to": 0})
    other = redis.Redis(port=port, protocol=protocol)
    with client.pipeline() as pipe:
        pipe.watch("from", "to")
        have = int(pipe.get("from"))
        other.set("to", 1)
        pipe.multi()
        pipe.mset({"from": have - 5, "to": 5})
        try:
            pipe.execute()
            raise AssertionError("a transaction ran though its key had changed")
        except redis.WatchError:
            pass
    client.transaction(lambda pipe: (pipe.multi(), pipe.decr("from", 5), pipe.incr("to", 5)), "from", "to")
    assert client.mget("from", "to") == [b"5", b"6"]

    # Everything is found by scanning, once.
    found = sorted(client.scan_iter(match="key:*", count=37))
    assert found == sorted(f"key:{index}".encode() for index in range(500)), len(found)

    assert client.delete("from", "to", "none") == 2
    assert client.expire("key:1", 100) and 90 < client.ttl("key:1") <= 100
    try:
        client.execute_command("NOSUCH")
        raise AssertionError("an unknown command was known")
    except redis.ResponseError as error:
        assert "unknown command" in str(error), error
    print(f"redis-py {redis.__version__}, RESP{protocol}: fine")


check(2)
check(3)
