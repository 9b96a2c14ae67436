"""DBOS: the same three steps that do nothing, each kept in PostgreSQL. Prints one line of JSON.

python dbos_peer.py POSTGRES_URL SECONDS
"""

import json
import sys
import threading
import time

from dbos import DBOS, DBOSConfig

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


rates = {clients: rate(clients) for clients in (1, 4, 16, 32, 64)}
best = max(rates, key=rates.get)
alone = []
for _ in range(100):
    begun = time.perf_counter()
    three()
    alone.append(1000 * (time.perf_counter() - begun))
alone.sort()
print(
    json.dumps(
        {"steps_per_second": 3 * rates[best], "clients": best, "workflows_by_clients": rates, "lone_ms": alone[50]}
    )
)
DBOS.destroy()
