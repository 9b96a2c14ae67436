import SimplonCore
import SimplonPostgres

extension Diagnosis {
  /// How the database is reached: by a way that is said, or seen, to have no sessions.
  struct Ways: Hashable {
    /// What `SIMPLON_POOLER` says.
    var isToldPooled = false
    /// Whether two connections through `DATABASE_URL` were one session.
    var sharesSessions = false
    /// Whether the port is the one of Supabase's transaction pooler.
    var hasPoolerPort = false
    /// Whether `DATABASE_DIRECT_URL` is set.
    var isDirectSet = false
    /// Whether two connections through that were one session, or its port is the pooler's.
    var isDirectPooled = false
  }

  /// Whether a transaction pooler stands in the way, and is known and passed by.
  func pooler() async -> Finding {
    let settings = installation.settings
    var ways = Ways(isToldPooled: settings.engine.pooler, isDirectSet: settings.direct != nil)
    ways.hasPoolerPort = DatabaseAddress(dsn: settings.engine.dsn).has(port: 6543)
    ways.sharesSessions = await sharesSessions(settings.engine)
    if let direct = settings.direct {
      ways.isDirectPooled = DatabaseAddress(dsn: direct.dsn).has(port: 6543)
      if !ways.isDirectPooled { ways.isDirectPooled = await sharesSessions(direct) }
    }
    return Self.pooler(ways)
  }

  /// What the ways say.
  static func pooler(_ ways: Ways) -> Finding {
    let direct = "\(Setting.directURL.name) to the same database past the pooler, at Supabase port 5432"
    if !ways.isToldPooled, ways.sharesSessions || ways.hasPoolerPort {
      let why =
        ways.sharesSessions
        ? "two connections to DATABASE_URL were one session" : "DATABASE_URL goes to port 6543, Supabase's pooler"
      return Finding(
        .pooler, .problem, "\(why), and \(Setting.pooler.name) is not set: the server counts on sessions",
        .configInvalid,
        hint: ways.isDirectSet ? "Set \(Setting.pooler.name)=true." : "Set \(Setting.pooler.name)=true, and \(direct).")
    }
    guard ways.isToldPooled else { return Finding(.pooler, .ok, "none is in between") }
    guard ways.isDirectSet else {
      return Finding(
        .pooler, .warning, "there is no direct way beside it, so nobody is notified and servers poll", .configMissing,
        hint: "Set \(direct).")
    }
    guard !ways.isDirectPooled else {
      return Finding(
        .pooler, .problem, "\(Setting.directURL.name) goes through a pooler too, where nobody is notified",
        .configInvalid, hint: "Set \(direct).")
    }
    return Finding(.pooler, .ok, "one is in between, and a direct way beside it")
  }

  /// Whether two connections that are open at once have the same server process.
  ///
  /// A pooler lends it from one transaction to the next. Two processes prove nothing.
  private func sharesSessions(_ configuration: PostgresConfiguration) async -> Bool {
    let found = try? await ask(configuration) { client in
      try await client.withConnection { first in
        let one = try await Self.process(of: first)
        return try await client.withConnection { second in try await Self.process(of: second) == one }
      }
    }
    return found ?? false
  }

  private static func process(of connection: PostgresConnection) async throws -> Int? {
    try await connection.query("select pg_backend_pid()").first?.decode(Int.self)
  }
}

extension DatabaseAddress {
  /// Whether it names this port, in either of libpq's forms.
  ///
  /// - Source: PostgreSQL manual, "Connection Strings".
  func has(port: Int) -> Bool {
    guard let uri = dsn.wholeMatch(of: #/(?s)postgres(?:ql)?://(?:[^/?]*@)?([^/?]*)([^?]*)(?:\?(.*))?/#) else {
      return dsn.split(whereSeparator: \.isWhitespace).contains { $0 == "port=\(port)" || $0 == "port='\(port)'" }
    }
    return uri.output.1.split(separator: ",").contains { $0.hasSuffix(":\(port)") }
      || (uri.output.3 ?? "").split(separator: "&").contains { $0 == "port=\(port)" }
  }
}
