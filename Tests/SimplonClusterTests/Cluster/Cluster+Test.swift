import Logging
import SimplonCluster
import TestSupport

/// Runs SQL text as the superuser.
@discardableResult
func execute(_ sql: String, on cluster: Cluster, tcp: Bool = false) async throws -> [String?] {
  try await executeSQL(sql, dsn: cluster.dsn(.admin, tcp: tcp))
}

extension ClusterOptions {
  /// Options of a cluster without a TCP port and without care for power cuts.
  static func test(_ folder: String, port: Int? = nil) -> ClusterOptions {
    ClusterOptions(folder: folder, port: port, durable: false)
  }
}

extension Logger {
  /// A logger that nobody reads.
  static var quiet: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}
