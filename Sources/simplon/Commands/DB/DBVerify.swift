import ArgumentParser
import SimplonPostgres

/// `simplon db verify`.
struct DBVerify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check that the migrations are applied unchanged and that the schema is what they make.",
    discussion: """
      Simplon's migrations are made once more in schemas of their own and taken back, all in one transaction. That needs the
      right to create schemas, and a server that takes writes.
      """)

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    try await database.withMigrator { migrator, _, _ in try await migrator.verify() }
    try Print.out(
      database.json ? "{\"verified\":true}" : "\(Print.mark("completed")) the schema is what this binary needs")
  }
}
