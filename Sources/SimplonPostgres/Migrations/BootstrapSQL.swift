/// The SQL that gives a database the roles and the schema `auth` that Supabase projects have, apart from the migrations.
///
/// Every part does nothing where its thing exists already, so on a Supabase project nothing happens at all. Each text
/// is several statements for one simple query, which is one transaction.
package enum BootstrapSQL {
  /// What makes a plain cluster like a Supabase project; for clusters of our own, as their superuser.
  ///
  /// The role `postgres`, no superuser, owns the database `postgres`; what it makes in `public` is granted to the roles of
  /// the API.
  /// - Source: the rights that Supabase documents for `postgres`, and its default privileges.
  package static let privateCluster = [ownership, roles, defaults, schemas, extensions].joined(separator: "\n")

  /// What a plain PostgreSQL lacks before the migrations can be applied.
  package static let plain = [roles, schemas].joined(separator: "\n")

  /// The owner of the database and of all tables.
  private static let ownership = #"""
    do $bootstrap$
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = 'postgres') then
        create role postgres login nosuperuser createrole createdb replication bypassrls;
        alter database postgres owner to postgres;
      end if;
    end
    $bootstrap$;
    """#

  /// What the owner may hand on, and what the roles of the API get of all that it makes.
  private static let defaults = #"""
    do $bootstrap$
    declare
      kind text;
    begin
      if not pg_catalog.pg_has_role('postgres', 'service_role', 'member') then
        grant anon, authenticated, service_role to postgres with admin option;
      end if;
      if not pg_catalog.pg_has_role('postgres', 'pg_monitor', 'member') then
        grant pg_monitor to postgres;
      end if;
      if not exists (
        select from pg_catalog.pg_default_acl
        where defaclrole = 'postgres'::regrole and defaclnamespace = 'public'::regnamespace
      ) then
        foreach kind in array array['tables', 'functions', 'sequences'] loop
          execute format(
            'alter default privileges for role postgres in schema public
               grant all on %s to postgres, anon, authenticated, service_role', kind);
        end loop;
        grant usage on schema public to postgres, anon, authenticated, service_role;
      end if;
    end
    $bootstrap$;
    """#

  /// The roles of the API.
  private static let roles = #"""
    do $bootstrap$
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = 'anon') then
        create role anon nologin noinherit;
      end if;
      if not exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
        create role authenticated nologin noinherit;
      end if;
      if not exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
        create role service_role nologin noinherit bypassrls;
      end if;
    end
    $bootstrap$;
    """#

  /// The schemas `auth`, with the functions that policies call, and `extensions`.
  private static let schemas = #"""
    do $bootstrap$
    begin
      if pg_catalog.to_regnamespace('extensions') is null then
        create schema extensions;
        grant usage on schema extensions to anon, authenticated, service_role;
        if pg_catalog.to_regrole('postgres') is not null then
          grant usage, create on schema extensions to postgres;
        end if;
      end if;
      if pg_catalog.to_regnamespace('auth') is not null then
        return;
      end if;
      create schema auth;
      grant usage on schema auth to anon, authenticated, service_role;
      if pg_catalog.to_regrole('postgres') is not null then
        grant usage on schema auth to postgres;
      end if;
      -- A setting that a transaction has set is '' in later ones, hence nullif.
      create function auth.jwt() returns jsonb language sql stable as $$
        select coalesce(
          nullif(current_setting('request.jwt.claim', true), ''),
          nullif(current_setting('request.jwt.claims', true), ''))::jsonb
      $$;
      create function auth.uid() returns uuid language sql stable as $$
        select coalesce(
          nullif(current_setting('request.jwt.claim.sub', true), ''),
          nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
      $$;
      create function auth.role() returns text language sql stable as $$
        select coalesce(
          nullif(current_setting('request.jwt.claim.role', true), ''),
          nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
      $$;
      comment on function auth.uid() is 'The person who asks, from the claims of the request';
    end
    $bootstrap$;
    """#

  /// Vectors, where this machine has pgvector: who is no superuser cannot add them.
  private static let extensions = #"""
    do $bootstrap$
    begin
      if exists (
        select from pg_catalog.pg_available_extensions where name = 'vector' and installed_version is null
      ) then
        create extension vector with schema extensions;
      end if;
    end
    $bootstrap$;
    """#

  /// The two logins that the server uses, which own nothing and have no rights but their memberships.
  ///
  /// A login that exists keeps its password. `simplon_worker` is `service_role` from its first statement on, behind a
  /// pooler too.
  ///
  /// - Parameters:
  ///   - api: the password of `simplon_api` if it is made.
  ///   - worker: the password of `simplon_worker` if it is made.
  /// - Returns: the text.
  /// - Throws: when the library for passwords has no memory.
  package static func logins(api: String, worker: String) throws -> String {
    try #"""
    do $bootstrap$
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = 'simplon_api') then
        create role simplon_api login noinherit password \#(literal(scramSecret(api)));
        grant anon, authenticated, service_role to simplon_api;
      end if;
      if not exists (select from pg_catalog.pg_roles where rolname = 'simplon_worker') then
        create role simplon_worker login noinherit password \#(literal(scramSecret(worker)));
        grant service_role to simplon_worker;
        alter role simplon_worker set role = 'service_role';
      end if;
    end
    $bootstrap$;
    """#
  }

  /// Sets the password of a role; the text does not hold it, as servers log statements.
  package static func password(_ password: String, of role: String) throws -> String {
    try "alter role \(identifier(role)) password \(literal(scramSecret(password)));"
  }

  /// Text as an SQL literal that stands for itself whatever the server's settings are.
  package static func literal(_ text: String) -> String {
    let quoted = text.replacing("'", with: "''")
    return text.contains("\\") ? "E'" + quoted.replacing("\\", with: "\\\\") + "'" : "'" + quoted + "'"
  }

  /// Text as an SQL identifier.
  package static func identifier(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }
}
