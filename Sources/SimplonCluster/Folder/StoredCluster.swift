package import SimplonCore

/// The private PostgreSQL of a data folder, looked at from outside: nothing is made, started, locked or changed.
package struct StoredCluster: Sendable {
  /// The secrets of the folder.
  package let state: ClusterState
  /// The folder of PostgreSQL's files.
  package let home: String
  /// The major version of PostgreSQL that made the cluster; nil while none is made.
  package let version: Int?
  /// The server that takes connections; nil while none does.
  private let server: PostmasterFile?

  /// Whether it takes connections.
  package var isRunning: Bool { server != nil }

  /// Looks at a folder; nil when nothing was ever started there.
  ///
  /// - Throws: `dev.postgres_failed` when its state cannot be read.
  package init?(in folder: String) throws(SimplonError) {
    guard let state = try ClusterState.read(from: folder) else { return nil }
    self.state = state
    let home = ClusterHome(path: "\(folder)/postgres")
    self.home = home.path
    version = home.version
    let file = PostmasterFile(dataFolder: home.data)
    server = file.flatMap { $0.isReady && isListening(socketFolder: $0.socketFolder, port: $0.port) ? $0 : nil }
  }

  /// The connection string for a login; nil while the server does not run.
  package func dsn(_ login: ClusterState.Login) -> String? {
    server.map { state.dsn(login, database: "postgres", socketFolder: $0.socketFolder, port: $0.port) }
  }

  /// The programs that it needs, or, where no cluster is made yet, the newest there are.
  ///
  /// - Throws: `dev.postgres_missing`.
  package func programs() async throws -> ServerPrograms {
    var places = ServerPrograms.Places.usual
    if version != nil, let used = state.programs { places.patterns.insert(used, at: 0) }
    return try await ServerPrograms.find(named: nil, version: version, in: places)
  }
}
