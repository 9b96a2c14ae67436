import ArgumentParser
import SimplonCore
import SimplonIdentity
import SimplonPostgres

/// `simplon db new`.
struct DBNew: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Write an empty migration and its empty undo.")

  @Argument(help: "What it is about.")
  var name: String

  @Option(help: ArgumentHelp("The folder of migrations.", valueName: "folder"))
  var dir = "supabase/migrations"

  @Flag(help: "Print JSON.")
  var json = false

  func run() async throws {
    let paths = try Migration.new(name, folder: dir, time: unixNow())
    if json { return try Print.out(["sql": .string(paths.sql), "undo": .string(paths.undo)]) }
    try Print.out(paths.sql)
    try Print.out(paths.undo)
  }
}
