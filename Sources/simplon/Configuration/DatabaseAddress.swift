import SimplonCore

/// The agents' database as configured, and the same address for the two logins that the server uses.
struct DatabaseAddress: Sendable {
  /// As libpq takes it.
  let dsn: String

  /// Reads `DATABASE_URL`, else `SUPABASE_DB_*`.
  ///
  /// - Throws: `config.missing` when neither is set.
  init(_ reader: SettingsReader, override: String? = nil) throws(SimplonError) {
    if let override {
      self.init(dsn: override)
    } else if let url = reader.text(.databaseURL) {
      self.init(dsn: url)
    } else {
      let host = try reader.required(
        .dbHost, "Set DATABASE_URL, or SUPABASE_DB_HOST and SUPABASE_DB_PASS. A project's URL and key are not enough.")
      self.init(
        dsn: Self.conninfo([
          ("host", host), ("port", String(try reader.integer(.dbPort) ?? 5432)), ("dbname", reader.text(.dbName)),
          ("user", reader.text(.dbUser)), ("password", reader.text(.dbPass) ?? reader.text(.dbPassword)),
        ]))
    }
  }

  init(dsn: String) { self.dsn = dsn }

  /// The same address for another login.
  ///
  /// Later words beat earlier ones, in both of libpq's forms.
  ///
  /// - Source: PostgreSQL manual, "Connection Strings".
  func with(user: String, password: String) -> String {
    guard dsn.hasPrefix("postgres://") || dsn.hasPrefix("postgresql://") else {
      return dsn + " " + Self.conninfo([("user", user), ("password", password)])
    }
    func encode(_ text: String) -> String {
      text.utf8.map { byte in
        let isPlain =
          Character(Unicode.Scalar(byte)).isASCII && Character(Unicode.Scalar(byte)).isLetter
          || (48...57).contains(byte)
        let digits = String(byte, radix: 16)
        return isPlain || byte == UInt8(ascii: "_")
          ? String(Unicode.Scalar(byte)) : "%" + (digits.count < 2 ? "0" : "") + digits
      }.joined()
    }
    return dsn + (dsn.contains("?") ? "&" : "?") + "user=\(encode(user))&password=\(encode(password))"
  }

  private static func conninfo(_ words: [(String, String?)]) -> String {
    words.compactMap { name, value in
      value.map { "\(name)='\($0.replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'" }
    }.joined(separator: " ")
  }
}
