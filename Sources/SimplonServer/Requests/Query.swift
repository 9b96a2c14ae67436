import SimplonAgents
import SimplonCore
import SimplonIdentity

/// A URL's query, form-decoded: `+` is a space, names may stand once.
///
/// - Source: WHATWG URL, "application/x-www-form-urlencoded parsing".
struct Query {
  private var pairs: [(name: String, value: String)] = []

  /// Decodes the text after the `?`.
  ///
  /// - Throws: `request.invalid` for bytes that are not UTF-8, and when a name stands twice.
  init(_ text: String) throws(SimplonError) {
    for pair in text.utf8.split(separator: UInt8(ascii: "&")) {
      let halves = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = Self.decode(halves[0]), let value = halves.count > 1 ? Self.decode(halves[1]) : "" else {
        throw SimplonError(.requestInvalid, "the query is not percent-encoded UTF-8 without NUL")
      }
      guard !pairs.contains(where: { $0.name == name }) else {
        throw SimplonError(.requestInvalid, "\"\(name.prefix(64))\" stands twice in the query")
      }
      guard pairs.count < 64 else { throw SimplonError(.requestInvalid, "the query has more than 64 fields") }
      pairs.append((name, value))
    }
  }

  /// Whether there is no field.
  var isEmpty: Bool { pairs.isEmpty }

  /// The names of the fields.
  var names: [String] { pairs.map { String($0.name.prefix(64)) } }

  /// Forgets a field.
  mutating func drop(_ name: String) { pairs.removeAll { $0.name == name } }

  /// The fields as JSON, each read as the route declares it; unknown ones as text.
  ///
  /// - Throws: `request.invalid` naming a field whose text is not of its kind.
  func members(of route: Route) throws(SimplonError) -> [String: JSON] {
    var members = [String: JSON]()
    for (name, text) in pairs {
      let field = route.shapes.lazy.compactMap { $0[name] }.first
      guard let value = field.map({ $0.value(ofQuery: text) }) ?? .string(text) else {
        throw SimplonError(
          .requestInvalid, "\"\(name)\" must be \(field?.expectation ?? "text")", details: ["field": .string(name)])
      }
      members[name] = value
    }
    return members
  }

  /// The query with the values of secret fields, and tickets and keys in others, blotted out, for logs.
  static func redacted(_ text: String) -> String {
    Ticket.redact(text).split(separator: "&", omittingEmptySubsequences: false).map { pair in
      let name = pair.prefix { $0 != "=" }
      let isSecret = Self.decode(name.utf8).map { ["ticket", "apikey", "token", "access_token"].contains($0) } ?? true
      return isSecret ? "\(name)=[redacted]" : String(pair)
    }.joined(separator: "&")
  }

  private static func decode(_ bytes: some Sequence<UInt8>) -> String? {
    var out = [UInt8]()
    var iterator = bytes.makeIterator()
    while let byte = iterator.next() {
      switch byte {
      case UInt8(ascii: "+"): out.append(0x20)
      case UInt8(ascii: "%"):
        guard let high = digit(iterator.next()), let low = digit(iterator.next()), high | low != 0 else { return nil }
        out.append(high << 4 | low)
      default: out.append(byte)
      }
    }
    return String(validating: out, as: UTF8.self)
  }

  private static func digit(_ byte: UInt8?) -> UInt8? {
    switch byte {
    case .some(let byte) where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte): byte - UInt8(ascii: "0")
    case .some(let byte) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20): (byte | 0x20) - 87
    default: nil
    }
  }
}

extension Field {
  /// Reads the value out of a query, where everything is text; nil when it cannot be of the kind.
  fileprivate func value(ofQuery text: String) -> JSON? {
    switch kind {
    case .text, .name, .uuid, .time, .choice: .string(text)
    case .integer: Int(text) == nil ? nil : .number(text)
    case .boolean: text == "true" ? true : text == "false" ? false : nil
    case .number, .texts, .object: try? JSON(parsing: text)
    case .any: (try? JSON(parsing: text)) ?? .string(text)
    }
  }
}
