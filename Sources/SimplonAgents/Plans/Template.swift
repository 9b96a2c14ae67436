import SimplonCore

/// A text with expressions in it.
struct Template {
  /// A piece of the text.
  enum Part {
    case text(String)
    case expression(Expression)
  }
  let parts: [Part]

  /// Reads a text; nil when it holds no `${{`.
  ///
  /// - Throws: `plan.expression`.
  init?(_ text: String) throws(SimplonError) {
    guard Self.mark(in: text) else { return nil }
    let bytes = Array(text.utf8)
    var parts = [Part]()
    var start = 0
    while let mark = Self.mark(in: bytes[start...]) {
      if mark > start { parts.append(.text(String(decoding: bytes[start..<mark], as: UTF8.self))) }
      var parser = ExpressionParser(bytes, at: mark + 3)
      parts.append(.expression(try parser.closedExpression()))
      start = parser.at
    }
    if start < bytes.count { parts.append(.text(String(decoding: bytes[start...], as: UTF8.self))) }
    self.parts = parts
  }

  /// The expression, when the text is one and nothing else.
  var only: Expression? {
    if parts.count == 1, case .expression(let expression)? = parts.first { expression } else { nil }
  }

  /// Whether a text holds `${{`.
  static func mark(in text: String) -> Bool { mark(in: text.utf8[...]) != nil }

  /// Whether a value holds `${{` in a text or a name.
  static func mark(within json: JSON) -> Bool {
    switch json {
    case .string(let text): mark(in: text)
    case .array(let items): items.contains { mark(within: $0) }
    case .object(let members): members.contains { mark(in: $0) || mark(within: $1) }
    case .null, .bool, .number: false
    }
  }

  /// Where the first `${{` stands.
  private static func mark<Bytes: Collection<UInt8>>(in bytes: Bytes) -> Bytes.Index? {
    var rest = bytes[...]
    while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
      rest = rest[dollar...]
      if rest.starts(with: "${{".utf8) { return dollar }
      rest = rest.dropFirst()
    }
    return nil
  }

  /// The steps that the expressions in a value read.
  ///
  /// - Throws: `plan.expression` for one that cannot be read, and for `${{` in the name of a member.
  static func stepIDs(in json: JSON) throws(SimplonError) -> Set<String> {
    var found = Set<String>()
    switch json {
    case .string(let text):
      for case .expression(let expression) in try Template(text)?.parts ?? [] { found.formUnion(expression.stepIDs) }
    case .array(let items): for item in items { found.formUnion(try stepIDs(in: item)) }
    case .object(let members):
      for (name, member) in members {
        if mark(in: name) { throw SimplonError(.planExpression, "the name of a member cannot hold an expression") }
        found.formUnion(try stepIDs(in: member))
      }
    case .null, .bool, .number: break
    }
    return found
  }
}
