import Logging
import SimplonCluster
import SimplonPostgres

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The one cluster of a test process. It ends with the process, however that ends.
actor TestCluster {
  /// The cluster, started at first use; the task is unstructured because the cluster belongs to the process.
  static let shared = Task { try await TestCluster() }

  nonisolated let cluster: Cluster
  private var templates: [TestTemplate: Task<String, any Error>] = [:]

  private init() async throws {
    Self.keepOpenSSLWhole()
    let folder = "\(try TestFolder.root)/shared"
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    cluster = try await Cluster.start(ClusterOptions(folder: folder, port: 0, durable: false), logger: logger)
    let admin = cluster.dsn(.admin)
    let passwords = cluster.state.passwords
    try await executeSQL(BootstrapSQL.privateCluster, dsn: admin)
    try await executeSQL(BootstrapSQL.logins(api: passwords[.api] ?? "", worker: passwords[.worker] ?? ""), dsn: admin)
    try await executeSQL(BootstrapSQL.password(passwords[.owner] ?? "", of: "postgres"), dsn: admin)
  }

  /// Keeps OpenSSL, which libpq connects with, from taking itself apart when the tests exit.
  ///
  /// A pool's thread that connects just then would crash. Our program leaves without exit handlers.
  /// - Source: OPENSSL_init_crypto(3), OPENSSL_INIT_NO_ATEXIT; it counts when it comes before anything else of OpenSSL.
  private static func keepOpenSSLWhole() {
    typealias Initialize = @convention(c) (UInt64, OpaquePointer?) -> Int32
    guard let address = dlsym(nil, "OPENSSL_init_crypto") else { return }
    _ = unsafeBitCast(address, to: Initialize.self)(0x0008_0000, nil)
  }

  /// The name of the database to copy, made at first use.
  func template(_ kind: TestTemplate) async throws -> String {
    if kind == .empty { return "template1" }
    if let made = templates[kind] { return try await made.value }
    // Unstructured, because several tests wait for the one that came first.
    let making = Task { try await make(kind) }
    templates[kind] = making
    return try await making.value
  }

  private func make(_ kind: TestTemplate) async throws -> String {
    let name = "template_\(kind.rawValue)"
    try await executeSQL("create database \(name) owner postgres", dsn: cluster.dsn(.admin))
    try await executeSQL(BootstrapSQL.privateCluster, dsn: cluster.dsn(.admin, database: name))
    if kind == .migrated { try await migrate(cluster.dsn(.owner, database: name)) }
    return name
  }
}
