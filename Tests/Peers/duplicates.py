"""What is delivered twice: whatever has arrived at a point arrives there again, several times at once."""

import typing

import psycopg
from work import Request

if typing.TYPE_CHECKING:
    from case import Case


def deliver_again(case: "Case", trap) -> None:
    """Delivers again what waits at the trap, and lets go of it."""
    AGAIN.get(case.point, settle)(case, trap)


def ask(case: "Case", trap) -> None:
    """A caller's request, while the first one is under way."""
    request = {"enqueue": case.create, "cancel": case.stop, "approve": case.approve}[case.point]
    asked = [case.pool.submit(request) for _ in range(3)]
    trap.finish()
    answers = [one.result(60) for one in (*asked, case.asking)]
    if case.point == "enqueue":
        assert len(set(answers)) == 1, "one key, one run"
    if case.point == "approve":
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


def answer(case: "Case", trap) -> None:
    """What the target answers; of a statement, that it has begun."""
    if isinstance(trap, Request):
        case.house.outside.twice.add(trap.path)
        return trap.release()
    trap.finish()
    case.ask_database("select target.simplon_effect_begin(%s, 'ledger', 1)", case.run)


def queue(case: "Case", trap) -> None:
    """The queue's row as it was before the claim, and the call that there is something in it."""
    trap.finish()
    case.ask_database(
        """insert into public.agent_task_queue (run_id, user_id, epoch)
        select r.id, r.user_id, 0 from public.agent_runs r where r.id = %s on conflict do nothing""",
        case.run,
    )
    for _ in range(5):
        case.ask_database("select pg_notify('simplon_queue', '')")


def recover(case: "Case", trap) -> None:
    """Others find the lost run at the same time."""
    asked = [case.pool.submit(case.ask_database, "select simplon.recover_runs()") for _ in range(3)]
    trap.release()
    for one in asked:
        one.result(60)


def renew(case: "Case", trap) -> None:
    """The heartbeat of whoever has a run, and one of somebody who has none."""
    query = "select simplon.renew_leases({}, array[s.run_id], '1 s') from simplon.run_state s where s.run_id = %s"
    trap.finish()
    case.at_once(*[lambda: case.ask_database(query.format("s.worker"), case.run) for _ in range(3)])
    assert case.ask_database(query.format("gen_random_uuid()"), case.run) == []


def settle(case: "Case", trap) -> None:
    """What a worker has written just now is written again, with the numbers that it had."""
    trap.finish()
    again = """
        select * from simplon.settle_steps((
          select jsonb_build_array(jsonb_build_object('run_id', t.run_id, 'epoch', t.epoch, 'base', l.seq, 'attempt', 1,
            'steps', jsonb_build_array(to_jsonb(t) - 'layer'),
            'events', jsonb_build_array(jsonb_build_object('kind', l.kind, 'payload', l.payload))))
          from public.agent_task_logs l join public.agent_steps t
            on t.run_id = l.run_id and t.step_id = l.payload ->> 'step_id'
          where l.run_id = %s and l.kind = 'step' order by l.seq desc limit 1))
    """
    runs = [run for run in (case.run, case.talk) if run]
    written = case.at_once(*[lambda run=run: case.ask_database(again, run) for run in runs * 2])
    assert written == [[]] * 2 * len(runs), f"written twice: {written}"


def flush(case: "Case", trap) -> None:
    """Lines that have been written."""
    trap.finish()
    again = """
        select simplon.append_lines(s.run_id, s.epoch, l.seq, '{info}', '{first}', '{stdout}', '{again}', '{false}')
        from simplon.run_state s join public.agent_task_logs l on l.run_id = s.run_id and l.kind = 'log'
        where s.run_id = any(%s::uuid[]) order by l.seq limit 1
    """

    def append() -> str:
        try:
            return str(case.ask_database(again, [case.run, case.talk]))
        except psycopg.Error as refused:
            return refused.sqlstate or repr(refused)

    assert set(case.at_once(append, append, append)) == {"SIM01"}


AGAIN = {
    "enqueue": ask,
    "claim": queue,
    "effect": answer,
    "next-enqueue": recover,
    "flush": flush,
    "renew": renew,
    "cancel": ask,
    "approve": ask,
}
