"""RQ: jobs, results, failures, retries, dependencies, schedules, with workers of their own: python3 app_rq.py PORT"""
import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta


def double(number):
    return 2 * number


def fail():
    raise ValueError("as it was meant to")


def succeed_the_third_time(port, key):
    import redis

    if redis.Redis(port=port).incr(key) < 3:
        raise ValueError("not yet")
    return "well"


def tell(port, key, text):
    import redis

    redis.Redis(port=port).rpush(key, text)


def sleep(seconds):
    time.sleep(seconds)


def until(is_so, what):
    deadline = time.monotonic() + 25
    while not is_so():
        assert time.monotonic() < deadline, f"it does not come to pass: {what}"
        time.sleep(0.01)


def finished(job):
    until(lambda: job.get_status(refresh=True) in ("finished", "failed", "stopped", "canceled"), job)
    return job.get_status()


def jobs_and_results(r, high, low):
    jobs = [low.enqueue("app_rq.double", number) for number in range(40)]
    jobs += high.enqueue_many([high.prepare_data("app_rq.double", args=(number,)) for number in range(40, 60)])
    for number, job in enumerate(jobs):
        assert finished(job) == "finished" and job.return_value() == 2 * number, (number, job.get_status(), job.exc_info)
    assert len(low) == 0 and len(high) == 0
    assert low.finished_job_registry.count == 40 and high.finished_job_registry.count == 20
    # The last of a queue may be done before it is struck off the list of those in work.
    until(lambda: low.started_job_registry.count == 0, "nothing is in work")


def failures_and_retries(r, high, low):
    from rq import Retry

    job = high.enqueue("app_rq.fail")
    assert finished(job) == "failed" and "as it was meant to" in job.latest_result().exc_string
    assert job.id in high.failed_job_registry.get_job_ids()
    high.failed_job_registry.requeue(job.id)
    until(lambda: len(job.results()) == 2, "the second failure")
    stubborn = low.enqueue("app_rq.succeed_the_third_time", PORT, "attempts", retry=Retry(max=4))
    until(lambda: stubborn.get_status(refresh=True) == "finished", "the third attempt")
    assert stubborn.return_value() == "well" and int(r.get("attempts")) == 3


def dependencies(r, high, low):
    first = low.enqueue("app_rq.tell", PORT, "told", "first")
    second = high.enqueue("app_rq.tell", PORT, "told", "second", depends_on=first)
    third = low.enqueue("app_rq.tell", PORT, "told", "third", depends_on=[first, second])
    never = low.enqueue("app_rq.tell", PORT, "told", "never", depends_on=high.enqueue("app_rq.fail"))
    assert finished(third) == "finished"
    assert r.lrange("told", 0, -1) == [b"first", b"second", b"third"]
    assert never.get_status(refresh=True) == "deferred" and never.id in low.deferred_job_registry.get_job_ids()
    never.cancel()
    assert never.get_status(refresh=True) == "canceled"


def schedules(r, high, low):
    started = time.time()
    job = low.enqueue_in(timedelta(seconds=1), "app_rq.double", 21)
    assert job.id in low.scheduled_job_registry.get_job_ids() and job.get_status() == "scheduled"
    assert finished(job) == "finished" and job.return_value() == 42
    # RQ reckons in whole seconds.
    assert time.time() >= int(started + 1), time.time() - started


def commands(r, high, low):
    """Workers hear commands over pub/sub."""
    from rq.command import send_stop_job_command
    from rq.job import Job
    from rq.worker import Worker

    job = high.enqueue("app_rq.sleep", 60)
    until(lambda: job.get_status(refresh=True) == "started" and Job.fetch(job.id, r).worker_name, "it runs")
    time.sleep(0.1)
    send_stop_job_command(r, job.id)
    assert finished(job) == "stopped"
    assert len(Worker.all(connection=r)) == 2


def start(name, *options):
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-m", "rq.cli", "worker", "--url", f"redis://127.0.0.1:{PORT}", "--path", here,
               "--name", name, "--quiet", *options, "high", "low"]
    # In a session of their own, so that with a worker end all that it has started.
    return subprocess.Popen(command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, start_new_session=True)


def main():
    import redis
    from rq import Queue
    from rq.command import send_shutdown_command
    from rq.worker import Worker

    r = redis.Redis(port=PORT)
    r.flushall()
    workers = [start("one", "--with-scheduler"), start("two", "--with-scheduler")]
    try:
        high, low = Queue("high", connection=r), Queue("low", connection=r)
        for show in (jobs_and_results, failures_and_retries, dependencies, schedules, commands):
            try:
                show(r, high, low)
            except Exception as error:
                raise AssertionError(show.__name__) from error
        for name in ("one", "two"):
            send_shutdown_command(r, name)
        for worker in workers:
            assert worker.wait(timeout=20) == 0
        assert Worker.all(connection=r) == []
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
    print("RQ: fine")


if __name__ == "__main__":
    PORT = int(sys.argv[1])
    main()
