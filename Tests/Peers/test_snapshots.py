"""Surfaces that are pinned: a change shows in a file that a reviewer reads.

SIMPLON_WRITE_SNAPSHOTS=1 writes them anew.
"""

import json
import os
import pathlib

from stack import clean_environment, simplon

FOLDER = pathlib.Path(__file__).with_name("snapshots")
# Everything that callers and other programs can see of the tables; partitions come and go with the months.
SCHEMA = """
with spaces as (
  select oid, nspname from pg_namespace where nspname in ('public', 'simplon', 'auth')),
tables as (
  select c.oid, s.nspname || '.' || c.relname as name, c.relkind, c.relacl, c.relrowsecurity
  from pg_class c join spaces s on s.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v') and not c.relispartition),
lines as (
  select name as place, 0 as kind, 0 as number, case relkind when 'v' then 'view ' else 'table ' end || name
    || case when relrowsecurity then ', row level security' else '' end as line from tables
  union all
  select t.name, 1, a.attnum, '  ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || case when a.attnotnull then ' not null' else '' end
    || coalesce(case when a.attgenerated <> '' then ' generated ' else ' default ' end
      || pg_get_expr(d.adbin, d.adrelid), '')
  from tables t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
  union all
  select t.name, 2, 0, '  ' || pg_get_constraintdef(c.oid)
  from tables t join pg_constraint c on c.conrelid = t.oid and c.contype in ('p', 'u', 'f', 'c')
  union all
  select t.name, 3, 0, '  ' || regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE ', '')
  from tables t join pg_index i on i.indrelid = t.oid
  where not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = t.oid)
  union all
  select t.name, 4, 0, '  trigger ' || regexp_replace(pg_get_triggerdef(g.oid), '^CREATE (CONSTRAINT )?TRIGGER ', '')
  from tables t join pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
  union all
  select t.name, 5, 0, format('  policy %s for %s to %s using (%s) check (%s)', p.polname, p.polcmd,
    (select string_agg(r::regrole::text, ', ' order by r::regrole::text) from unnest(p.polroles) r),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
  from tables t join pg_policy p on p.polrelid = t.oid
  union all
  select t.name, 6, 0, format('  %s may %s', g.grantee::regrole, string_agg(lower(g.privilege_type), ', '
    order by g.privilege_type))
  from tables t cross join lateral aclexplode(t.relacl) g
  where g.grantee <> 0 and g.grantee <> (select relowner from pg_class where oid = t.oid) group by t.name, g.grantee
  union all
  select 'function ' || s.nspname || '.' || p.proname, 7, 0,
    format('%s%s.%s(%s) returns %s%s: %s', case when p.prosecdef then 'definer ' else '' end || 'function ', s.nspname,
      p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
      case when p.proconfig is null then '' else ' set ' || array_to_string(p.proconfig, ', ') end,
      coalesce((select string_agg(case g.grantee when 0 then 'public' else g.grantee::regrole::text end, ', ' order by
        g.grantee::text) from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
        where g.grantee <> p.proowner), 'nobody'))
  from pg_proc p join spaces s on s.oid = p.pronamespace
  union all
  select 'type ' || s.nspname || '.' || y.typname, 8, 0, format('type %s.%s: %s', s.nspname, y.typname,
    (select string_agg(e.enumlabel, ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = y.oid))
  from pg_type y join spaces s on s.oid = y.typnamespace where y.typtype = 'e')
select line from lines order by place collate "C", kind, number, line collate "C"
"""


def pinned(name: str, text: str) -> None:
    file = FOLDER / name
    if os.environ.get("SIMPLON_WRITE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text)
    kept = file.read_text() if file.exists() else ""
    assert text.splitlines() == kept.splitlines(), f"if this change of {file} is meant: SIMPLON_WRITE_SNAPSHOTS=1"


def commands(tree: dict, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command, as the words after the program's name."""
    found = [before]
    for below in tree.get("subcommands", []):
        if below["commandName"] != "help":
            found += commands(below, (*before, below["commandName"]))
    return found


def test_the_help_of_every_command():
    tree = json.loads(simplon("--experimental-dump-help").stdout)["command"]
    pages = []
    for words in commands(tree):
        found = simplon(*words, "--help", env=clean_environment(COLUMNS="80"))
        assert found.returncode == 0 and "USAGE" in found.stdout, found
        pages.append(f"$ simplon {' '.join([*words, '--help'])}\n\n{found.stdout.strip()}\n")
    assert len(pages) > 15
    pinned("help.txt", "\n\n".join(pages))


def test_the_schema_after_all_migrations(database):
    # What is only there where pgvector is, names its types.
    lines = [line for (line,) in database.execute(SCHEMA) if "extensions.vector" not in line]
    pinned("schema.txt", "\n".join(lines) + "\n")
