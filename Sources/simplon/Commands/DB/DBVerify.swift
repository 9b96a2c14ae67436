import ArgumentParser
import SimplonPostgres

/// `simplon db verify`.
struct DBVerify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check that what is applied has not changed and that its objects are there.")

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    try await database.withMigrator { migrator, _, _ in try await migrator.verify() }
    Print.out(database.json ? "{\"verified\":true}" : "\(Print.mark("completed")) the schema is what this binary needs")
  }
}
