import ArgumentParser
import SimplonPostgres

/// `simplon db verify`.
struct DBVerify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check that the migrations are applied unchanged and that the schema is what they make.")

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    try await database.withMigrator { migrator, _, _ in try await migrator.verify() }
    try Print.out(
      database.json ? "{\"verified\":true}" : "\(Print.mark("completed")) the schema is what this binary needs")
  }
}
