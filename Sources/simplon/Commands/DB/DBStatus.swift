import ArgumentParser
import SimplonCore
import SimplonPostgres

/// `simplon db status`.
struct DBStatus: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show what is applied and what is pending; exit code 1 unless all is as it should be.")

  @OptionGroup var database: DatabaseOptions

  func run() async throws {
    let status = try await database.withMigrator { migrator, _, _ in try await migrator.status() }
    if database.json {
      try Print.out(status.json)
    } else {
      for item in status.items {
        try Print.out(
          "\(item.version)  \(Print.padded(item.name, to: 22)) \(Print.padded(item.state.rawValue, to: 9)) \(item.appliedAt ?? "")"
        )
      }
      for foreign in status.foreign {
        try Print.out("also here: \(foreign.tool) in \(foreign.table), at \(foreign.versions.first ?? "nothing")")
      }
    }
    guard status.isCurrent else { throw ExitCode(1) }
  }
}

extension MigrationStatus {
  fileprivate var json: JSON {
    [
      "current": .bool(isCurrent),
      "migrations": .array(
        items.map { item in
          [
            "version": .string(item.version), "name": .string(item.name), "state": .string(item.state.rawValue),
            "applied_at": item.appliedAt.map(JSON.string) ?? .null,
            "applied_by": item.appliedBy.map(JSON.string) ?? .null,
          ]
        }),
      "foreign": .array(
        foreign.map { other in
          [
            "tool": .string(other.tool), "table": .string(other.table),
            "versions": .array(other.versions.map(JSON.string)),
          ]
        }),
    ]
  }
}
