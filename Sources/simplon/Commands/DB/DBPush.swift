import ArgumentParser
import SimplonCore
import SimplonPostgres

/// `simplon db push`.
struct DBPush: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "push", abstract: "Apply what is pending, oldest first, each in a transaction of its own.",
    discussion: """
      The first push also makes what is missing of roles and schema auth, and the logins simplon_api and simplon_worker. \
      Their passwords are printed once: keep them as SIMPLON_API_PASSWORD and SIMPLON_WORKER_PASSWORD.
      """)

  @Option(help: ArgumentHelp("Stop after this version.", valueName: "version"))
  var to: String?

  @Option(help: ArgumentHelp("Take everything up to this version as applied already.", valueName: "version"))
  var baseline: String?

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    let applied = try await database.withMigrator { migrator, client, reader in
      try await makeLogins(client, reader)
      var progress = Progress("applying migrations", of: migrator.migrations.count, .items, asJSON: database.json)
      defer { progress.clear() }
      return try await migrator.push(to: to, baseline: baseline) { progress.update($0) }
    }
    if database.json { return try Print.out(["applied": .array(applied.map(JSON.string))]) }
    for version in applied { try Print.out("\(Print.mark("completed")) \(version)") }
    if applied.isEmpty { try Print.out("nothing is pending") }
  }

  /// Makes what is missing of roles and logins, and prints the passwords that nobody else knows before anything can fail.
  private func makeLogins(_ client: PostgresClient, _ reader: SettingsReader) async throws {
    let settings = ["simplon_api": Setting.apiPassword, "simplon_worker": .workerPassword]
    var generated = settings.filter { reader.text($0.value) == nil }.mapValues { _ in
      var generator = SystemRandomNumberGenerator()
      return Secret.password(using: &generator)
    }
    func password(_ login: String, _ setting: Setting) -> String { reader.text(setting) ?? generated[login] ?? "" }
    let made = try await Bootstrap(client: client).plain(
      api: password("simplon_api", .apiPassword), worker: password("simplon_worker", .workerPassword))
    generated = generated.filter { made.contains($0.key) }
    if database.json {
      if !generated.isEmpty { try Print.out(["logins": .object(generated.mapValues { .string($0) })]) }
    } else {
      for (login, password) in generated.sorted(by: { $0.key < $1.key }) {
        try Print.out("\(settings[login]?.name ?? login)=\(password)")
      }
    }
    guard let schema = reader.text(.schema), schema != "public" else { return }
    // For servers behind a transaction pooler, where a session cannot say where its tables are.
    let statements = settings.keys.sorted().map { login in
      "execute format('alter role \(login) in database %I set search_path = %I', current_database(), "
        + "\(BootstrapSQL.literal(schema)));"
    }
    try await client.withConnection { connection in
      try await connection.execute(unsafeSQL: "do $$ begin \(statements.joined(separator: " ")) end $$")
    }
  }
}
