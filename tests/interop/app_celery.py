"""Celery with Redis as broker and as result backend: tasks, chords, retries, revocation, schedules: python3 app_celery.py PORT"""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

from celery import Celery, chain, chord, group
from celery.exceptions import TaskRevokedError

# The worker is told the port by the environment.
PORT = os.environ.get("BRAID_PORT") or sys.argv[1]
app = Celery("app_celery", broker=f"redis://127.0.0.1:{PORT}/0", backend=f"redis://127.0.0.1:{PORT}/1")
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"priority_steps": [0, 5, 9], "queue_order_strategy": "priority"},
    task_track_started=True,
    worker_hijack_root_logger=False,
    beat_schedule={"tick": {"task": "app_celery.tell", "schedule": 0.3, "args": ("ticks", "tick")}},
)


@app.task
def add(one, other):
    return one + other


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("as it was meant to")


@app.task(bind=True, max_retries=5)
def stubborn(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    self.update_state(state="PROGRESS", meta={"done": 1})
    return self.request.retries


@app.task
def tell(key, text):
    import redis

    redis.Redis(port=int(PORT), db=2).rpush(key, text)


def until(is_so, what):
    deadline = time.monotonic() + 25
    while not is_so():
        assert time.monotonic() < deadline, f"it does not come to pass: {what}"
        time.sleep(0.01)


def results(r):
    assert add.delay(20, 22).get(timeout=25) == 42
    pending = [add.delay(number, number) for number in range(100)]
    assert [each.get(timeout=25) for each in pending] == [2 * number for number in range(100)]
    failed = fail.delay()
    try:
        failed.get(timeout=25)
        raise AssertionError("a task that fails has a result")
    except ValueError as error:
        assert str(error) == "as it was meant to" and failed.state == "FAILURE"
    forgotten = add.delay(1, 1)
    assert forgotten.get(timeout=25) == 2 and forgotten.state == "SUCCESS"
    forgotten.forget()
    assert forgotten.state == "PENDING"
    # Ten results at a time, from many at once.
    numbers = group(add.s(number, 1) for number in range(50)).apply_async()
    assert numbers.get(timeout=25) == list(range(1, 51)) and numbers.completed_count() == 50


def canvases(r):
    assert chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=25) == 10
    assert chord((add.s(number, number) for number in range(20)), total.s())().get(timeout=25) == 380
    chords = [chord([add.s(1, number), add.s(2, number), add.s(3, number)], total.s())() for number in range(10)]
    assert [each.get(timeout=25) for each in chords] == [6 + 3 * number for number in range(10)]


def later(r):
    started = time.time()
    delayed = add.apply_async((1, 2), countdown=0.6)
    assert stubborn.delay().get(timeout=25) == 2
    assert delayed.get(timeout=25) == 3 and time.time() - started >= 0.6
    revoked = add.apply_async((1, 2), countdown=1)
    revoked.revoke()
    try:
        revoked.get(timeout=25)
        raise AssertionError("a revoked task was done")
    except TaskRevokedError:
        pass
    until(lambda: r.llen("ticks") >= 3, "the schedule ticks")


def priorities(r):
    """The most urgent comes first out of queues that nobody has read yet."""
    for priority in (9, 5, 0, 9, 0):
        tell.apply_async(("order", f"priority {priority}"), queue="urgent", priority=priority)
    app.control.add_consumer("urgent", reply=True, timeout=5, limit=1)
    until(lambda: r.llen("order") == 5, "five messages")
    order = [text.decode() for text in r.lrange("order", 0, -1)]
    assert order == [f"priority {priority}" for priority in (0, 0, 5, 9, 9)], order


def remote_control(r):
    """Workers answer to broadcasts."""
    replies = app.control.inspect(timeout=1.5, limit=1)
    assert list(replies.ping().values()) == [{"ok": "pong"}]
    assert "app_celery.add" in next(iter(replies.registered().values()))
    assert app.control.purge() == 0


def start(schedule):
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-m", "celery", "--app", "app_celery", "--workdir", here, "worker", "--beat", "--schedule", schedule,
               "--concurrency", "1", "--prefetch-multiplier", "1", "--loglevel", "ERROR", "--without-mingle",
               "--without-gossip", "--hostname", "one@braid"]
    environment = {**os.environ, "BRAID_PORT": PORT, "PYTHONDONTWRITEBYTECODE": "1", "C_FORCE_ROOT": "1"}
    # In a session of its own, so that with the worker end all that it has started.
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def main():
    import redis

    r = redis.Redis(port=int(PORT), db=2)
    r.flushall()
    with tempfile.TemporaryDirectory() as folder:
        worker = start(os.path.join(folder, "schedule"))
        try:
            for show in (results, canvases, later, priorities, remote_control):
                try:
                    show(r)
                except Exception as error:
                    raise AssertionError(show.__name__) from error
            app.control.shutdown()
            assert worker.wait(timeout=20) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
    print("Celery: fine")


if __name__ == "__main__":
    # As the worker knows it: tasks have the name of their module.
    import app_celery

    app_celery.main()
