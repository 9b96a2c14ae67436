import SimplonAgents
import SimplonCluster
import SimplonCore
import SimplonPostgres

extension Diagnosis {
  /// Whether the engine's login gets in, and whether another might where it does not.
  func database() async -> (finding: Finding, isThere: Bool) {
    guard installation.hasDatabase else { return (absence, false) }
    do {
      try await ask(installation.settings.engine) { client in _ = try await client.query("select 1") }
      return (Finding(.database, .ok, "PostgreSQL answers to simplon_worker"), true)
    } catch {
      let error = SimplonError(wrapping: error)
      guard let trouble = ConnectionTrouble(error) else { return (Finding(.database, error), true) }
      return (trouble.finding(.database, login: "simplon_worker"), trouble.isAboutLogin)
    }
  }

  private var absence: Finding {
    let what = installation.cluster == nil ? "nothing was ever started there" : "it is not running"
    return Finding(
      .database, .skipped, what,
      hint: "Start it and ask again: simplon dev --data \(installation.folder)\nFor a database of yours set "
        + "\(Setting.databaseURL.name).")
  }

  /// Whether the server is new enough.
  func version() async -> Finding {
    await check(.version, installation.settings.engine, as: "simplon_worker") { client in
      let rows = try await client.query("select current_setting('server_version_num')")
      let number = try rows.first?.decode(String.self) ?? ""
      return Self.version(Int(number) ?? 0)
    }
  }

  /// What a server's number says, such as 150018.
  static func version(_ number: Int) -> Finding {
    let shown = "PostgreSQL \(number / 10_000).\(number % 10_000)"
    guard number < ServerPrograms.oldest * 10_000 else { return Finding(.version, .ok, shown) }
    return Finding(
      .version, .problem, "the server is \(shown), and \(ServerPrograms.oldest) is the oldest that will do",
      .databaseVersion,
      hint: "Move the database to a newer server: pg_upgrade; at Supabase: Settings, Infrastructure, Upgrade project.")
  }

  /// Whether row level security binds the login that serves callers.
  func login() async -> Finding {
    let settings = installation.settings
    guard settings.roles.contains(.api) else {
      return Finding(.login, .skipped, "no login serves callers, as \(Setting.roles.name) has no api")
    }
    let login = installation.callerLogin
    return await check(.login, settings.callers, as: login) { client in
      do {
        try await refuseUnsafeLogin(client: client, schema: settings.schema)
      } catch let error as SimplonError where error.code == .databaseRole {
        let isOurs = login == "simplon_api"
        return Finding(
          .login, error,
          hint: isOurs
            ? "Take it away: alter role simplon_api nosuperuser nobypassrls; and what it owns, or is a member of."
            : "Set \(Setting.apiPassword.name), so that simplon_api serves callers; simplon db push makes it.")
      }
      return Finding(.login, .ok, "row level security binds \(login)")
    }
  }

  /// Whether the schema is at this binary's version; only the owner of the tables sees that.
  func migrations() async -> Finding {
    let schema = installation.settings.schema
    let found = await check(.migrations, installation.owner, as: "the address's own login") { client in
      let migrator = try Migrator(client: client, migrations: AgentSchema.migrations, schema: schema, logger: logger)
      try await migrator.refuseOutdated()
      return Finding(.migrations, .ok, "all \(migrator.migrations.count) are applied")
    }
    let refusals: [SimplonError.Code] = [.databaseUnavailable, .databaseBusy, .databasePermission]
    if let code = found.code, refusals.contains(code) {
      return Finding(
        .migrations, .skipped, "only the owner of the tables may look, and that is not who DATABASE_URL names",
        hint: "Ask as the owner: simplon db status --db-url URL")
    }
    guard found.code == .databaseSchema, !installation.isServed else { return found }
    return Finding(
      .migrations, .problem, found.message, .databaseSchema,
      hint: "Stop simplon dev and start it again: it applies what is pending.")
  }
}
