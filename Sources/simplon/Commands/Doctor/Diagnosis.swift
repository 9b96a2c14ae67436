import Logging
import SimplonCore
import SimplonPostgres

/// The checks of an installation, one after the other; each lies in a file of its own.
struct Diagnosis: Sendable {
  let installation: Installation
  /// What goes on beneath is told by nobody but the findings: libpq's words may repeat an address with its password.
  let logger = Logger(label: "simplon") { _ in SwiftLogNoOpLogHandler() }

  init(_ installation: Installation) { self.installation = installation }

  /// Makes every check and tells what each has found, as soon as it is known.
  ///
  /// - Parameters:
  ///   - token: a token to look at too.
  ///   - tell: gets the findings, in the order of the checks.
  /// - Throws: what `tell` throws.
  func run(token: String?, tell: (Finding) throws -> Void) async throws {
    try tell(configuration())
    if !installation.isServed { try tell(await programs()) }
    try await database(tell)
    if installation.isServed { try tell(await pooler()) }
    try tell(await keys())
    if let token { try tell(await self.token(token)) }
    try tell(await sandbox())
    for finding in await models() { try tell(finding) }
    try tell(disk())
  }

  /// Whether everything is set that the server wants to have; that it is well-formed is known by now.
  func configuration() -> Finding {
    guard installation.isServed else {
      return Finding(
        .configuration, .ok, "no database is named, so this is about simplon dev in \(installation.folder)")
    }
    guard installation.reader.text(.workerPassword) != nil else {
      return Finding(
        .configuration, .problem, "\(Setting.workerPassword.name) is not set", .configMissing,
        hint: "simplon db push makes the login simplon_worker and prints its password once.")
    }
    return Finding(
      .configuration, .ok, "the settings are well-formed; files are in \(installation.folder)")
  }

  /// What needs the database, as far as each check's own login gets.
  private func database(_ tell: (Finding) throws -> Void) async throws {
    let (reached, isThere) = await database()
    try tell(reached)
    let isOpen = reached.status == .ok
    let closed = "the database was not reached as simplon_worker"
    if isOpen {
      try tell(await version())
      try tell(await clock())
      try tell(await slots())
    } else {
      for finding in Finding.skipped([.version, .clock, .slots], closed) { try tell(finding) }
    }
    var rest = Finding.skipped([.login, .migrations], closed)
    if isThere { rest = [await login(), await migrations()] }
    if !isOpen {
      rest += Finding.skipped([.tables, .transactions], closed)
    } else if rest.contains(where: { $0.check == .migrations && $0.status == .problem }) {
      rest += Finding.skipped([.tables, .transactions], "the migrations come first")
    } else {
      rest += await tables()
    }
    for finding in rest { try tell(finding) }
  }

  // MARK: - Asking the database

  /// A client for one check, with little patience.
  ///
  /// - Throws: what the body throws.
  func ask<R: Sendable>(
    _ configuration: PostgresConfiguration, _ body: (PostgresClient) async throws -> R
  ) async throws -> R {
    var configuration = configuration
    configuration.applicationName = "simplon doctor"
    configuration.acquireTimeout = .seconds(5)
    configuration.connectTimeout = .seconds(4)
    configuration.statementTimeout = .seconds(5)
    // Every check is single statements, so it works through a pooler too, told or not.
    configuration.pooler = true
    return try await PostgresClient.withRunning(configuration, logger: logger, body)
  }

  /// One check over a connection of its own; what goes wrong is its finding.
  ///
  /// - Parameters:
  ///   - check: the check.
  ///   - configuration: the way in.
  ///   - login: who that is, for a person.
  ///   - body: asks.
  /// - Returns: the finding.
  func check(
    _ check: Finding.Check, _ configuration: PostgresConfiguration, as login: String,
    _ body: (PostgresClient) async throws -> Finding
  ) async -> Finding {
    do {
      return try await ask(configuration, body)
    } catch {
      let error = SimplonError(wrapping: error)
      return ConnectionTrouble(error)?.finding(check, login: login) ?? Finding(check, error)
    }
  }
}
