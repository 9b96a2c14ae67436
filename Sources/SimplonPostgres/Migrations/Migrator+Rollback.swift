import Logging
import SimplonCore

extension Migrator {
  /// Takes back the newest applied migration, or all that are newer than a version, newest first.
  ///
  /// - Parameter target: the version to stay at, `0` to take back all, or nil to take back one.
  /// - Returns: the versions that were taken back, in order.
  /// - Throws: `migration.missing` when a migration has no undo or is not known, `migration.newer`, `migration.changed`,
  ///   `migration.failed`.
  package func rollback(to target: String? = nil) async throws -> [String] {
    let entries = try await withLock { history in
      let entries = try await history.entries()
      try check(entries)
      return entries
    }
    if let target, target != "0", !entries.contains(where: { $0.version == target }) {
      throw SimplonError(.migrationMissing, "migration \(target) is not applied", hint: "simplon db status lists them.")
    }
    // What came from a folder is taken back only with that folder.
    let known = entries.reversed().filter { entry in migrations.contains { $0.version == entry.version } }
    let wanted = target.map { target in known.filter { $0.version > target } } ?? Array(known.prefix(1))
    for entry in wanted { try await undo(entry.version) }
    return wanted.map(\.version)
  }

  private func undo(_ version: String) async throws {
    guard let migration = migrations.first(where: { $0.version == version }), let undo = migration.undo else {
      throw SimplonError(.migrationMissing, "migration \(version) has no undo", hint: "Write a new migration instead.")
    }
    try await withLock { history in
      guard try await history.entries().contains(where: { $0.version == version }) else { return }
      do {
        try await history.run(Migration.text(undo, for: schema))
      } catch let error as SimplonError {
        throw failed(migration, "could not be taken back", error)
      }
      try await history.remove(version)
      logger.info("migration taken back", metadata: ["version": "\(version)", "name": "\(migration.name)"])
    }
  }
}
