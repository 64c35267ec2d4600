"""Locks of redis-py and of python-redis-lock, held by threads in turn: python3 app_locks.py PORT"""
import sys
import threading
import time
import redis
import redis_lock

port = int(sys.argv[1])
THREADS = 6
TURNS = 25


def connect(protocol):
    return redis.Redis(port=port, protocol=protocol, decode_responses=True)


def in_threads(work):
    """Runs work(number) in several threads and raises what any of them raised."""
    raised = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:  # An assertion in a thread is told to nobody else.
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=40)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    if raised:
        raise raised[0]


def nobody_else_enters(protocol, lock_of):
    """Reading and writing in two steps loses nothing while a lock is held."""
    r = connect(protocol)
    r.set("counter", 0)
    inside = []

    def work(number):
        own = connect(protocol)
        for _ in range(TURNS):
            with lock_of(own):
                inside.append(number)
                assert len(inside) == 1, "two hold the lock"
                seen = int(own.get("counter"))
                time.sleep(0.0005)
                own.set("counter", seen + 1)
                inside.pop()

    in_threads(work)
    assert int(r.get("counter")) == THREADS * TURNS


def redis_py(protocol):
    nobody_else_enters(protocol, lambda r: r.lock("lock:counter", timeout=10, sleep=0.001))
    r, other = connect(protocol), connect(protocol)
    lock = r.lock("lock:one", timeout=10)
    assert lock.acquire() and lock.owned() and lock.locked()
    rival = other.lock("lock:one", timeout=10)
    assert not rival.acquire(blocking=False) and not rival.owned()
    assert not rival.acquire(blocking_timeout=0.05)
    for harm in (rival.release, rival.reacquire):
        try:
            harm()
            raise AssertionError("who does not hold the lock gives it up")
        except redis.exceptions.LockError:
            pass
    assert lock.extend(50) and 50_000 < r.pttl("lock:one") <= 60_000
    assert lock.extend(30, replace_ttl=True) and r.pttl("lock:one") <= 30_000
    assert lock.reacquire() and r.pttl("lock:one") <= 10_000
    lock.release()
    assert not r.exists("lock:one")
    short = r.lock("lock:short", timeout=0.05)
    assert short.acquire() and other.lock("lock:short", timeout=5, sleep=0.005).acquire(blocking_timeout=5)
    try:
        short.release()
        raise AssertionError("a lock that expired and is another's is released")
    except redis.exceptions.LockNotOwnedError:
        pass


def python_redis_lock(protocol):
    nobody_else_enters(protocol, lambda r: redis_lock.Lock(r, "counter", expire=10))
    r = connect(protocol)
    lock = redis_lock.Lock(r, "one", expire=10, id="mine")
    assert lock.acquire() and lock.locked() and lock.get_owner_id() == "mine"
    rival = redis_lock.Lock(connect(protocol), "one", id="another's")
    assert not rival.acquire(blocking=False)
    # Who waits does so in BLPOP, and is woken by the release.
    waited = []

    def wait():
        waited.append(rival.acquire(blocking=True, timeout=20))
        waited.append(time.monotonic())

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    until(lambda: r.info("clients")["blocked_clients"] == 1)
    lock.extend(60)
    assert 50_000 < r.pttl("lock:one") <= 60_000
    released = time.monotonic()
    lock.release()
    thread.join(timeout=20)
    assert waited[0] is True and waited[1] - released < 5, waited
    try:
        lock.release()
        raise AssertionError("what another holds is released")
    except redis_lock.NotAcquired:
        pass
    rival.reset()
    assert not rival.locked()
    # A thread renews a lock for as long as it is held.
    kept = redis_lock.Lock(r, "kept", expire=1, auto_renewal=True)
    assert kept.acquire(blocking=False)
    time.sleep(1.3)
    assert r.pttl("lock:kept") > 0 and kept.locked()
    kept.release()
    for name in ("left:1", "left:2", "left:3"):
        assert redis_lock.Lock(r, name).acquire(blocking=False)
    redis_lock.reset_all(r)
    assert r.keys("lock:*") == []


def until(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.005)


for protocol in (2, 3):
    connect(protocol).flushall()
    for show in (redis_py, python_redis_lock):
        try:
            show(protocol)
        except Exception as error:
            raise AssertionError(f"{show.__name__}, RESP{protocol}") from error
    print(f"locks, RESP{protocol}: fine")
