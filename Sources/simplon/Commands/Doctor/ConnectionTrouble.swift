import SimplonCore

/// Why PostgreSQL let nobody in.
///
/// libpq says so in words alone. They are sorted and not shown, as they may repeat an address with its password.
/// - Source: PostgreSQL 15, fe-connect.c, auth.c, postinit.c, proc.c; PgBouncer 1.18, client.c; Supavisor.
enum ConnectionTrouble: Sendable {
  case address, options, password, access, missing, full, host, encryption, starting, refused, silent, unknown

  /// The first that fits counts: after a refusal with TLS libpq tries without, and says both.
  private static let signs: [(trouble: ConnectionTrouble, words: [String])] = [
    (.address, ["missing \"=\"", "invalid connection option", "invalid uri", "invalid port", "percent-encoded"]),
    (.options, ["unsupported startup parameter"]),
    (.password, ["password", "authentication failed", "no such user", "tenant or user not found"]),
    (.access, ["pg_hba.conf"]),
    (
      .encryption,
      ["support ssl", "ssl error", "ssl connection", "ssl required", "ssl is required", "sslmode", "certificate"]
    ),
    (.missing, ["does not exist", "no such database"]),
    (.full, ["too many c", "remaining connection slots", "no more connections allowed"]),
    (.host, ["could not translate host name"]),
    (.starting, ["starting up", "shutting down", "recovery mode"]),
    (.refused, ["connection refused", "no such file or directory"]),
    (.silent, ["timeout expired", "timed out", "no route to host", "unreachable"]),
  ]

  /// Sorts libpq's words; without any it was silence.
  init(words: String) {
    let words = words.lowercased()
    let found = Self.signs.first { sign in sign.words.contains { words.contains($0) } }
    self = found?.trouble ?? (words.isEmpty ? .silent : .unknown)
  }

  /// Takes an error of the client; nil when it had a connection.
  init?(_ error: SimplonError) {
    guard error.code == .databaseUnavailable, error.details?["sqlstate"] == nil else { return nil }
    var words = ""
    var cause = error.cause
    while let next = cause {
      words = next is SimplonError ? "" : String(reflecting: next)
      cause = (next as? SimplonError)?.cause
    }
    self.init(words: words)
  }

  /// Whether the server is there, and another login may get in.
  var isAboutLogin: Bool { [.password, .access, .missing].contains(self) }

  /// What a check says for which the login was needed.
  func finding(_ check: Finding.Check, login: String) -> Finding {
    let (code, message, hint) = told(login)
    return Finding(check, .problem, message, code, hint: hint)
  }

  private func told(_ login: String) -> (SimplonError.Code, String, String) {
    switch self {
    case .address:
      (
        .configInvalid, "the database's address cannot be read",
        "Write postgresql://USER:PASSWORD@HOST:5432/DATABASE, other characters than letters and digits of the password "
          + "percent-encoded."
      )
    case .options:
      (.configInvalid, "a pooler refuses the settings of a session", "Set \(Setting.pooler.name)=true.")
    case .password:
      (
        .databaseUnavailable, "PostgreSQL refuses the password of \(login)",
        "Set \(Setting.apiPassword.name) and \(Setting.workerPassword.name) to what simplon db push printed when it made "
          + "the logins, or give them new ones: alter role simplon_worker password '…';"
      )
    case .access:
      (
        .databaseUnavailable, "PostgreSQL's pg_hba.conf does not let \(login) in from here",
        "Add a line there: host all simplon_api,simplon_worker ADDRESS scram-sha-256"
      )
    case .missing:
      (
        .databaseUnavailable, "\(login), or the database, does not exist",
        "Check the database's name; simplon db push makes the logins."
      )
    case .full:
      (
        .databaseBusy, "PostgreSQL has no connection left",
        "Lower \(Setting.connections.name), or raise max_connections."
      )
    case .host:
      (
        .databaseUnavailable, "the name of the database's host is not known",
        "Check the host's name, and whether this machine can look up names: getent hosts NAME"
      )
    case .encryption:
      (
        .databaseUnavailable, "the connection to PostgreSQL cannot be encrypted as it should",
        "Check sslmode and sslrootcert in the database's address."
      )
    case .starting:
      (
        .databaseUnavailable, "PostgreSQL is starting or stopping",
        "Ask again in a minute; when it takes longer, PostgreSQL's own log says why."
      )
    case .refused:
      (
        .databaseUnavailable, "no PostgreSQL listens at the database's address",
        "Start it, or check host and port. simplon dev has a PostgreSQL of its own."
      )
    case .silent:
      (
        .databaseUnavailable, "nothing answers at the database's address",
        "Check host and port, and whether a firewall is in between."
      )
    case .unknown:
      (
        .databaseUnavailable, "PostgreSQL cannot be reached as \(login)",
        "psql with the same address says what is in the way: psql \"$DATABASE_URL\""
      )
    }
  }
}
