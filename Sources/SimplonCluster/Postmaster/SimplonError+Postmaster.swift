import SimplonCore

extension SimplonError {
  /// Says why `initdb` or `postgres` failed, from what it wrote.
  ///
  /// - Parameters:
  ///   - log: what it wrote, in English.
  ///   - program: its name.
  ///   - folder: the folder it worked in.
  ///   - port: the port it was to listen on.
  /// - Returns: `storage.full`, `dev.port_taken` or `dev.postgres_failed`.
  /// - Source: PostgreSQL 15 to 18: src/port/open.c and strerror texts; pqcomm.c (StreamServerPort); miscinit.c
  ///   (CreateLockFile, ValidatePgVersion).
  static func server(_ log: String, program: String, folder: String, port: Int?) -> SimplonError {
    if log.contains("No space left on device") || log.contains("Disk quota exceeded") { return .full(folder) }
    if log.contains("Address already in use") { return .portTaken(port ?? 0, option: "--db-port") }
    let lines = log.split(separator: "\n")
    let telling =
      lines.last { $0.contains("FATAL:") || $0.contains("PANIC:") || $0.contains("error:") } ?? lines.last ?? ""
    return SimplonError(
      .devPostgresFailed, "\(program) failed in \(folder)\(telling.isEmpty ? "" : ": \(telling.prefix(300))")",
      hint: "The whole log is postgres.log in the data folder.", details: ["log": .string(String(log.suffix(2000)))])
  }
}
