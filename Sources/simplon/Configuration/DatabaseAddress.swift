import SimplonCore

/// The agents' database as configured, and the same address for the two logins that the server uses.
struct DatabaseAddress: Sendable {
  /// As libpq takes it.
  let dsn: String

  /// Reads `DATABASE_URL`, else `SUPABASE_DB_*`.
  ///
  /// - Throws: `config.missing` when neither is set; `config.invalid` when an environment was chosen and `DATABASE_URL`
  ///   would beat its names.
  init(_ reader: SettingsReader, override: String? = nil) throws(SimplonError) {
    if let override {
      self.init(dsn: override)
    } else if let url = reader.text(.databaseURL) {
      if let environment = reader.environment {
        throw SimplonError(
          .configInvalid, "DATABASE_URL is set, and --env \(environment.rawValue) asks for another database",
          hint: "Take DATABASE_URL out, or --env.", details: ["key": "DATABASE_URL"])
      }
      self.init(dsn: url)
    } else {
      let host = try reader.required(
        .dbHost, "Set DATABASE_URL, or SUPABASE_DB_HOST and SUPABASE_DB_PASS. A project's URL and key are not enough.")
      let port = try reader.required(.dbPort, reader.integer)
      self.init(
        dsn: Self.conninfo([
          ("host", host), ("port", String(port)), ("dbname", reader.text(.dbName)),
          ("user", reader.text(.dbUser)), ("password", reader.text(.dbPass) ?? reader.text(.dbPassword)),
        ]))
    }
  }

  init(dsn: String) { self.dsn = dsn }

  /// The same address for another login.
  func with(user: String, password: String) -> DatabaseAddress { with([("user", user), ("password", password)]) }

  /// The same address, whose sessions find tables in this schema.
  func with(schema: String) -> DatabaseAddress { with([("options", "-csearch_path=\(schema)")]) }

  /// Later words beat earlier ones, in both of libpq's forms.
  ///
  /// - Source: PostgreSQL manual, "Connection Strings".
  private func with(_ words: [(String, String)]) -> DatabaseAddress {
    guard dsn.hasPrefix("postgres://") || dsn.hasPrefix("postgresql://") else {
      return DatabaseAddress(dsn: dsn + " " + Self.conninfo(words))
    }
    let query = words.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
    return DatabaseAddress(dsn: dsn + (dsn.contains("?") ? "&" : "?") + query)
  }

  private static func conninfo(_ words: [(String, String?)]) -> String {
    words.compactMap { name, value in
      value.map { "\(name)='\($0.replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'" }
    }.joined(separator: " ")
  }
}
