import FoundationEssentials
import SimplonCore

/// Something outside that the operator has declared, with its own credentials, for steps to use by its name.
///
/// What it prints is its name alone.
package struct Connector: Sendable, CustomStringConvertible {
  enum Kind: Sendable {
    case http(HTTPConnector)
    case postgres(PostgresConnector)
  }

  /// What steps call it.
  package let name: String
  /// Whose runs may use it; nil: everybody's.
  let users: Set<UUID>?
  let kind: Kind

  package var description: String { "connector \(name)" }

  /// Whether steps can change nothing through it.
  var isReadOnly: Bool {
    switch kind {
    case .http(let http): http.methods.isSubset(of: HTTPField.safeMethods)
    case .postgres(let postgres): postgres.isReadOnly
    }
  }

  /// Whether a connector can have that name.
  static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        $0.isLowercaseLetter || $0.isDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
      }
  }

  /// Whether a run of that user may use it; a run of the service only where everybody's may.
  func serves(_ user: UUID?) -> Bool {
    guard let users else { return true }
    return user.map { users.contains($0) } ?? false
  }
}

/// An HTTP service with headers that nobody sees.
struct HTTPConnector: Sendable {
  /// Steps name paths below it; its origin gets the headers.
  let baseURL: EgressURL
  /// Names in lower case.
  let headers: [(name: String, value: String)]
  let methods: Set<String>
  /// Whether its host may be in a private network.
  let allowsPrivate: Bool

  /// The texts that no output may hold: the headers' values, and what follows a scheme such as `Bearer`.
  ///
  /// Shorter ones than eight bytes could be any word.
  var secrets: [String] {
    headers.flatMap { [$0.value] + $0.value.split(separator: " ").dropFirst().map(String.init) }
      .filter { $0.utf8.count >= 8 }
  }

  /// The URL of a path below the base.
  ///
  /// - Throws: `tool.input` for one that leads out of it.
  func url(_ path: String) throws(SimplonError) -> EgressURL {
    let isBelow = path.hasPrefix("/") && !path.contains("?") && !path.contains("#") && !path.contains("\\")
    guard isBelow, !Self.climbs(path) else {
      throw SimplonError(
        .toolInput, "\"path\" must begin with / and lead nowhere above it, with no ?, # or backslash",
        hint: "A query goes into `query`.")
    }
    return try EgressURL(baseURL.origin + base + path)
  }

  /// The path below the base of a URL that lies there, its query included.
  func path(of url: EgressURL) -> String { String(url.path.dropFirst(base.count)) }

  /// The base's path, with no slash at the end.
  private var base: String { baseURL.path.hasSuffix("/") ? String(baseURL.path.dropLast()) : baseURL.path }

  /// Whether a URL lies below the base.
  func holds(_ url: EgressURL) -> Bool {
    let path = String(url.path.prefix { $0 != "?" })
    return (path + "/").hasPrefix(base + "/") && !Self.climbs(path)
  }

  /// Whether some reader could see a step upwards in a path, however often it decodes it.
  private static func climbs(_ path: String) -> Bool {
    var bytes = [UInt8]()
    for byte in path.lowercased().utf8 {
      bytes.append(byte)
      if bytes.suffix(3).elementsEqual("%25".utf8) { bytes.removeLast(2) }
    }
    var plain = String(decoding: bytes, as: UTF8.self)
    for (code, sign) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("%3b", ";")] {
      plain = plain.replacing(code, with: sign)
    }
    return plain.split(separator: "/", omittingEmptySubsequences: false).contains { name in
      [".", ".."].contains(name.prefix { $0 != ";" })
    }
  }
}

/// A PostgreSQL with a login of its own.
struct PostgresConnector: Sendable {
  let dsn: String
  let isReadOnly: Bool
  /// Whether the database has a table `simplon_effects`, so that a write happens exactly once.
  let hasEffects: Bool
  let statementTimeout: Duration
  /// Rows that one call gives at most.
  let rowLimit: Int
}
