"""DBOS: the same three steps that do nothing, each kept in PostgreSQL. Prints one line of JSON.

Both ways that an app has: workflows called by threads, which make them and run them; and a backlog that was made before
and is worked off through a queue, which is what Simplon does. The better one counts.

python dbos_peer.py POSTGRES_URL SECONDS
"""

import json
import sys
import threading
import time

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig

url, seconds = sys.argv[1], float(sys.argv[2])
config: DBOSConfig = {"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "WARNING"}
DBOS(config=config)


@DBOS.step()
def nothing(name: str) -> str:
    return name


@DBOS.workflow()
def three() -> str:
    nothing("a")
    nothing("b")
    return nothing("c")


DBOS.launch()
for _ in range(20):
    three()


def rate(clients: int) -> float:
    """Workflows a second, called by that many threads."""
    until, done = time.monotonic() + seconds, [0] * clients

    def work(place: int) -> None:
        while time.monotonic() < until:
            three()
            done[place] += 1

    begun = time.monotonic()
    threads = [threading.Thread(target=work, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - begun)


def backlog(at_a_time: int, count: int = 800) -> float:
    """Workflows a second, from the first one's start to the last one's end; the queue is opened when all are in it."""
    queue = f"backlog-{at_a_time}"
    client = DBOSClient(system_database_url=url)
    made = [client.enqueue({"workflow_name": "three", "queue_name": queue}) for _ in range(count)]
    DBOS.register_queue(queue, worker_concurrency=at_a_time, polling_interval_sec=0.02)
    for one in made:
        one.get_result()
    client.destroy()
    question = """select count(*), (max(completed_at) - min(started_at_epoch_ms)) / 1000.0
        from dbos.workflow_status where queue_name = %s and status = 'SUCCESS'"""
    with psycopg.connect(url) as connection:
        done, spent = connection.execute(question, (queue,)).fetchone()
    assert done == count, f"{done} of {count} workflows were done"
    return done / float(spent)


rates = {f"{clients} threads": rate(clients) for clients in (1, 4, 16, 32, 64)}
rates |= {f"a backlog, {number} at a time": backlog(number) for number in (4, 16, 64)}
best = max(rates, key=rates.get)
alone = []
for _ in range(100):
    begun = time.perf_counter()
    three()
    alone.append(1000 * (time.perf_counter() - begun))
alone.sort()
print(
    json.dumps(
        {"steps_per_second": 3 * rates[best], "how": best, "workflows_per_second": rates, "lone_ms": alone[50]}
    )
)
DBOS.destroy()
