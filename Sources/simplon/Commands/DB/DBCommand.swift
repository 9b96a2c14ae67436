import ArgumentParser
import FoundationEssentials
import SimplonAgents
import SimplonCore
import SimplonPostgres

/// `simplon db`: the schema of the agents' database.
struct DBCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "db", abstract: "Apply and check the schema of the agents' database.",
    subcommands: [DBPush.self, DBStatus.self, DBNew.self, DBDiff.self, DBRollback.self, DBVerify.self])
}

/// Which database a command works on, and with which migrations.
struct DatabaseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The database (DATABASE_DIRECT_URL, else DATABASE_URL, else SUPABASE_DB_*), as the owner of the tables.",
      valueName: "url")
  )
  var dbURL: String?

  @Option(help: ArgumentHelp("dev or prod: SUPABASE_DEV_* or SUPABASE_PROD_* beat SUPABASE_*.", valueName: "name"))
  var env: Environment?

  @Option(
    help: ArgumentHelp("A folder of migrations of your own, applied in order with Simplon's.", valueName: "folder"))
  var dir: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// Gives the body a migrator and the client it works with.
  func withMigrator<R: Sendable>(_ body: (Migrator, PostgresClient, SettingsReader) async throws -> R) async throws -> R
  {
    let reader = try await SettingsReader(environment: env)
    try reader.check()
    // An environment has its own address, as for the server.
    let direct = reader.environment == nil ? reader.text(.directURL) : nil
    let address = try DatabaseAddress(reader, override: dbURL ?? direct)
    let logger = try makeLogger(reader, isQuiet: true)
    let migrations = AgentSchema.migrations + (try dir.map { try Migration.read(folder: $0) } ?? [])
    let schema = try reader.required(.schema, reader.text)
    return try await PostgresClient.withRunning(address.forOneCommand, logger: logger) { client in
      try await body(Migrator(client: client, migrations: migrations, schema: schema, logger: logger), client, reader)
    }
  }
}
