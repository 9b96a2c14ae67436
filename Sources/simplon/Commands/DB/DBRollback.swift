import ArgumentParser
import SimplonCore
import SimplonPostgres

/// `simplon db rollback`.
struct DBRollback: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollback", abstract: "Take back the newest migration, or all after a version. Data in them is lost.")

  @Option(help: ArgumentHelp("The version to go back to, which stays applied; 0 takes all back.", valueName: "version"))
  var to: String?

  @Flag(help: "Do it; without this nothing happens.")
  var yes = false

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    guard yes else { throw ValidationError("a rollback drops tables with their rows; say --yes") }
    let undone = try await database.withMigrator { migrator, _, _ in try await migrator.rollback(to: to) }
    if database.json { return try Print.out(["undone": .array(undone.map(JSON.string))]) }
    for version in undone { try Print.out("\(Print.mark("cancelled")) \(version)") }
  }
}
