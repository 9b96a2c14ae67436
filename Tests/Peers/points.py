"""The points of a run's life at which the fault tests hold whoever gets there.

A point is a deferred trigger in the test's database, so whoever is held there is in the midst of COMMIT. It takes a
shared advisory lock: as long as nobody holds the lock it does nothing. A test that holds it stops the transaction
exactly there, does its harm, and lets go. The program is the one that is shipped and has no hooks.
"""

import typing

import psycopg
from stack import wait_for

if typing.TYPE_CHECKING:
    from fault_house import House
    from stack import Process

SPACE = 4242  # of our advisory locks
PATIENCE = 30.0  # seconds for somebody to get somewhere

# Each point: its table, what happens to a row, and when that is the point.
PLACES = {
    "enqueue": ("public.agent_runs", "insert", None),
    "claim": ("simplon.run_state", "update", "old.worker is null and new.worker is not null"),
    "intent": ("public.agent_steps", "insert or update", "new.effect = 'intent'"),
    "dispatch": ("public.agent_steps", "insert or update", "new.effect = 'dispatched'"),
    "effect": ("target.effects", "insert", None),
    "result": ("public.agent_steps", "update", "new.effect = 'settled' and old.effect is distinct from 'settled'"),
    "flush": ("public.agent_task_logs", "insert", "new.kind = 'log'"),
    "next-enqueue": ("public.agent_runs", "update", "old.status in ('running', 'retrying') and new.status = 'queued'"),
    "renew": (
        "simplon.run_state", "update",
        "old.worker = new.worker and old.epoch = new.epoch and old.lease_until < new.lease_until",
    ),
    "cancel": ("public.agent_runs", "update", "new.status = 'cancelled' and old.status <> 'cancelled'"),
    "approve": ("public.agent_steps", "update", "old.response is null and new.response is not null"),
    "assistant": ("public.agent_messages", "insert", "new.role = 'assistant'"),
    "tool": ("public.agent_messages", "insert", "new.role = 'tool'"),
}  # fmt: skip
KEYS = {point: key for key, point in enumerate(PLACES, 1)}

# What a run may change outside, each row one effect; and a login that may do no more than that. It also judges each step
# that settles: the writer's epoch must be the one that the run is in.
PROBE = """
create schema target;
create role target login password '{password}';
alter role target set search_path = target;
grant usage on schema target to target;
create table target.effects (run uuid not null, step text not null, at timestamptz not null default clock_timestamp());
grant insert on target.effects to target;
create table target.simplon_effects (
  run_id uuid not null, step_id text not null, attempt integer not null, outcome jsonb,
  primary key (run_id, step_id, attempt));
create function target.simplon_effect_begin(run uuid, step text, nr bigint, out is_new boolean, out outcome jsonb)
language plpgsql security definer set search_path = '' as $$
begin
  insert into target.simplon_effects (run_id, step_id, attempt) values (run, step, nr) on conflict do nothing;
  is_new := found;
  select e.outcome into outcome from target.simplon_effects e
  where e.run_id = run and e.step_id = step and e.attempt = nr;
end $$;
create function target.simplon_effect_end(run uuid, step text, nr bigint, result jsonb) returns void
language sql security definer set search_path = '' as $$
  update target.simplon_effects e set outcome = result
  where e.run_id = run and e.step_id = step and e.attempt = nr and e.outcome is null
$$;

create schema probe;
create function probe.pass() returns trigger language plpgsql as $$
begin
  perform pg_catalog.pg_advisory_xact_lock_shared({space}, tg_argv[0]::integer);
  return null;
end $$;
create table probe.filler (text text);
create table probe.stale (run_id uuid, step_id text, epoch integer, is_in integer);
create function probe.judge() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into probe.stale select new.run_id, new.step_id, new.epoch, s.epoch
  from simplon.run_state s where s.run_id = new.run_id and s.epoch <> new.epoch;
  return null;
end $$;
create trigger probe_judge after update on public.agent_steps for each row
  when (new.effect = 'settled' and old.effect is distinct from 'settled') execute function probe.judge();
"""


def statements(password: str) -> str:
    """What furnishes a database with the points."""
    triggers = [
        f"""create constraint trigger "probe_{point}" after {what} on {table} deferrable initially deferred
        for each row {f"when ({when})" if when else ""} execute function probe.pass({KEYS[point]});"""
        for point, (table, what, when) in PLACES.items()
    ]
    return PROBE.format(password=password, space=SPACE) + "".join(triggers)


class Trap:
    """A point that is held: whoever reaches it waits there."""

    def __init__(self, house: "House", owner: psycopg.Connection, point: str):
        self.house, self.owner, self.key = house, owner, KEYS[point]
        self.backend, self.port, self.process = 0, 0, None
        self.hold()

    def hold(self) -> None:
        self.owner.execute("select pg_advisory_lock(%s, %s)", (SPACE, self.key))

    def caught(self, passing: int = 0) -> tuple[int, "Process"]:
        """Waits for somebody, after letting that many pass; gives the server process and whose transaction it is."""

        def look():
            return self.owner.execute(
                """select l.pid, a.client_port from pg_locks l join pg_stat_activity a on a.pid = l.pid
                where l.locktype = 'advisory' and l.classid = %s and l.objid = %s and not l.granted
                order by a.xact_start limit 1""",
                (SPACE, self.key),
            ).fetchone()

        self.backend, self.port = wait_for("somebody at the point", look, PATIENCE, pause=0.005)
        if passing:
            self.release(self.backend)
            self.hold()
            return self.caught(passing - 1)
        self.process = self.house.process_of(self.port)
        return self.backend, self.process

    def release(self, backend: int | None = None) -> None:
        """Lets go; with a server process, waits until its transaction is committed."""
        if self.owner.closed:
            return
        begun = self._begun(backend) if backend else None
        try:
            self.owner.execute("select pg_advisory_unlock_all()")
        except psycopg.OperationalError:
            return  # the server that held it was killed, and with it the lock
        if begun:
            wait_for("the commit", lambda: self._begun(backend) != begun, 10, pause=0.002)

    def finish(self) -> None:
        """Lets go, and waits until the transaction is committed."""
        self.release(self.backend)

    def undo(self) -> None:
        """Ends the transaction where it stands, so that nothing of it happens, and lets go."""
        self.owner.execute("select pg_terminate_backend(%s, 10000)", (self.backend,))
        self.release()

    def cut(self) -> None:
        """Ends the connection; the transaction does not know it."""
        self.house.relay.cut(self.port)

    def _begun(self, backend: int) -> tuple | None:
        query = "select xact_start from pg_stat_activity where pid = %s"
        return self.owner.execute(query, (backend,)).fetchone()
