package import Logging
import ServiceLifecycle
import SimplonCore

/// The private PostgreSQL of one data folder, running.
///
/// One process at a time holds it. A process that is killed leaves the server running, and the next start adopts it.
package struct Cluster: Sendable {
  /// The data folder, as an absolute path.
  package let folder: String
  /// The folder of the Unix socket.
  package let socketFolder: String
  /// The port, in the socket's name and, with TCP, on 127.0.0.1.
  package let port: Int
  /// The secrets of the folder.
  package let state: ClusterState
  /// The server's process.
  package let process: Int32
  /// Whether a server was running already.
  package let adopted: Bool

  /// The major version of PostgreSQL.
  package var version: Int { postmaster.programs.version }

  let lock: FolderLock
  let postmaster: Postmaster
  let logger: Logger

  /// Makes the cluster where there is none, starts it or adopts the server that runs on it, and waits until it takes
  /// connections.
  ///
  /// - Throws: `dev.locked`, `dev.postgres_missing`, `dev.port_taken`, `storage.full`, `dev.postgres_failed`.
  package static func start(_ options: ClusterOptions, logger: Logger) async throws -> Cluster {
    let folder = try ClusterFolder(options.folder)
    let lock = try FolderLock(folder.path)
    do {
      return try await start(options, folder: folder, lock: lock, logger: logger)
    } catch {
      lock.release()
      // A program that the cancel ended is no failure.
      try Task.checkCancellation()
      throw error
    }
  }

  /// Starts a cluster, which a graceful shutdown cuts short, runs the body and stops the cluster, however the body ends.
  ///
  /// - Throws: what ``start(_:logger:)`` and the body throw.
  package static func with<R>(
    _ options: ClusterOptions, logger: Logger, _ body: (Cluster) async throws -> R
  ) async throws -> R {
    let cluster = try await cancelWhenGracefulShutdown { try await start(options, logger: logger) }
    do {
      let result = try await body(cluster)
      try await cluster.stop()
      return result
    } catch {
      try? await cluster.stop()
      throw error
    }
  }

  /// Stops the server and gives the folder back, in a cancelled task too.
  ///
  /// - Throws: `dev.postgres_failed` when the server does not end within a minute.
  package func stop() async throws {
    defer { lock.release() }
    // Unstructured, because the stop must be carried out when the task that asks for it is cancelled.
    let stopping = Task { try await postmaster.stop() }
    try await stopping.value
    logger.debug("PostgreSQL stopped", metadata: ["process": "\(process)"])
  }

  /// The connection string for a login.
  ///
  /// - Parameters:
  ///   - login: who connects.
  ///   - database: the database; the one named `postgres` when not given.
  ///   - tcp: through 127.0.0.1 instead of the Unix socket.
  /// - Returns: a URI with TCP, else `key=value` pairs.
  package func dsn(_ login: ClusterState.Login, database: String = "postgres", tcp: Bool = false) -> String {
    let password = state.passwords[login] ?? ""
    return tcp
      ? "postgresql://\(login.rawValue):\(password)@127.0.0.1:\(port)/\(database)"
      : state.dsn(login, database: database, socketFolder: socketFolder, port: port)
  }

  private static func start(
    _ options: ClusterOptions, folder: ClusterFolder, lock: FolderLock, logger: Logger
  ) async throws -> Cluster {
    let stored = try ClusterState.read(from: folder.path)
    guard stored != nil || !folder.holdsCluster else {
      throw SimplonError(
        .devPostgresFailed, "\(folder.path) holds a database, but no state.json with its passwords and keys",
        hint: "Put a copy of state.json back, or remove the whole folder to begin anew.")
    }
    try folder.hideFromGit()
    var generator = SystemRandomNumberGenerator()
    var state = stored ?? ClusterState(using: &generator)
    let user = try ServerUser()
    let home = try await folder.home(of: user, id: state.id)
    let version = home.version
    var places = options.places
    if version != nil, let used = state.programs { places.patterns.insert(used, at: 0) }
    let programs = try await ServerPrograms.find(named: options.programs, version: version, in: places)
    state.programs = programs.folder
    try state.write(to: folder.path)
    if version == nil {
      logger.info(
        "making a private PostgreSQL", metadata: ["folder": "\(folder.path)", "version": "\(programs.version)"])
      try await home.make(
        programs: programs, user: user, password: state.passwords[.admin] ?? "", durable: options.durable)
    }
    let postmaster = Postmaster(
      programs: programs, user: user, dataFolder: home.data,
      socketFolder: try home.socketFolder(user: user, id: state.id), log: "\(folder.path)/postgres.log")
    var found = postmaster.running()
    if found.map({ ![nil, 0, $0.port].contains(options.port) }) ?? postmaster.isCutOff {
      try await postmaster.stop()
      found = nil
    }
    let server: PostmasterFile
    if let found {
      server = found
    } else {
      // Nothing may fail once the server is there, or it would stay behind; so all is written before.
      server = try await postmaster.start(choosing: options.port) { port throws(SimplonError) in
        try home.write(
          ClusterSettings(port: port, socketFolder: postmaster.socketFolder, durable: options.durable), user: user)
        state.port = port
        try state.write(to: folder.path)
      }
    }
    logger.debug(
      found != nil ? "PostgreSQL adopted" : "PostgreSQL started",
      metadata: ["process": "\(server.process)", "port": "\(server.port)"])
    return Cluster(
      folder: folder.path, socketFolder: server.socketFolder, port: server.port, state: state, process: server.process,
      adopted: found != nil, lock: lock, postmaster: postmaster, logger: logger)
  }
}
