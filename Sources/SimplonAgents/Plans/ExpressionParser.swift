import SimplonCore

/// Reads one expression from text that may go on behind it.
///
///     or         = and { "||" and }
///     and        = term { "&&" term }
///     term       = "(" or ")" | path [ comparison literal ]
///     path       = "steps." id "." ( "output" | "status" | "error" ) { member }
///                | "run." ( "id" | "attempt" | "metadata" ) { member }
///     member     = "." name | "[" index "]" | "[" text "]"
///     literal    = number | text | "true" | "false" | "null"
struct ExpressionParser {
  private let bytes: [UInt8]
  /// The byte to be read next.
  private(set) var at: Int
  private var depth = 0

  /// Starts at a byte of UTF-8 text.
  init(_ bytes: [UInt8], at: Int) {
    self.bytes = bytes
    self.at = at
  }

  /// Reads an expression and the `}}` behind it.
  ///
  /// - Throws: `plan.expression`, saying what is expected where.
  mutating func closedExpression() throws(SimplonError) -> Expression {
    let start = at
    let root = try disjunction()
    let end = at
    guard take("}}") else { throw expected("an operator or }}") }
    let text = String(decoding: bytes[start..<end], as: UTF8.self)
    return Expression(text: text.trimmed, root: root)
  }

  private mutating func disjunction() throws(SimplonError) -> Expression.Term {
    let first = try conjunction()
    var terms = [first]
    while take("||") { terms.append(try conjunction()) }
    return terms.count == 1 ? first : .any(terms)
  }

  private mutating func conjunction() throws(SimplonError) -> Expression.Term {
    let first = try term()
    var terms = [first]
    while take("&&") { terms.append(try term()) }
    return terms.count == 1 ? first : .all(terms)
  }

  private mutating func term() throws(SimplonError) -> Expression.Term {
    if take("(") {
      depth += 1
      guard depth <= 32 else { throw SimplonError(.planExpression, "parentheses nest deeper than 32 levels") }
      let inner = try disjunction()
      guard take(")") else { throw expected("an operator or )") }
      depth -= 1
      return inner
    }
    let path = try path()
    for comparison in ["==", "!=", "<=", ">=", "<", ">"] where take(comparison) {
      guard let comparison = Expression.Comparison(rawValue: comparison) else { continue }
      return .comparison(path, comparison, try literal())
    }
    return .path(path)
  }

  private mutating func path() throws(SimplonError) -> Expression.Path {
    skipSpace()
    let start = at
    var path: Expression.Path
    switch name() {
    case "steps":
      guard takeHere("."), let step = name(), takeHere("."), let part = name() else {
        throw expected("steps.ID.output, steps.ID.status or steps.ID.error", at: start)
      }
      switch part {
      case "output": path = .init(root: .output(step: step), members: [])
      case "status": path = .init(root: .status(step: step), members: [])
      case "error": path = .init(root: .error(step: step), members: [])
      default: throw expected("steps.ID.output, steps.ID.status or steps.ID.error", at: start)
      }
    case "run":
      guard takeHere("."), let part = name(), ["id", "attempt", "metadata"].contains(part) else {
        throw expected("run.id, run.attempt or run.metadata", at: start)
      }
      path = .init(root: .run, members: [.name(part)])
    default: throw expected("a path that starts with steps. or run.", at: start)
    }
    while let member = try member() { path.members.append(member) }
    return path
  }

  private mutating func member() throws(SimplonError) -> Expression.Path.Member? {
    if takeHere(".") {
      guard let name = name() else { throw expected("a name, or [\"a name\"]") }
      return .name(name)
    }
    guard takeHere("[") else { return nil }
    skipSpace()
    let member: Expression.Path.Member
    if let text = try quoted() {
      member = .name(text)
    } else {
      let digits = bytes[at...].prefix(while: \.isDigit)
      guard let index = Int(Substring(decoding: digits, as: UTF8.self)) else {
        throw expected("an index from 0 or a quoted name")
      }
      at += digits.count
      member = .index(index)
    }
    guard take("]") else { throw expected("]") }
    return member
  }

  private mutating func literal() throws(SimplonError) -> JSON {
    skipSpace()
    if let text = try quoted() { return .string(text) }
    let start = at
    let word = bytes[at...].prefix { $0.isNamePart || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "+") }
    at += word.count
    guard let value = try? JSON(parsing: word) else {
      throw expected("a literal: a number, a quoted text, true, false or null", at: start)
    }
    return value
  }

  /// A text in single or double quotes; it holds anything but its own quote.
  private mutating func quoted() throws(SimplonError) -> String? {
    guard at < bytes.count, bytes[at] == UInt8(ascii: "'") || bytes[at] == UInt8(ascii: "\"") else { return nil }
    let start = at
    guard let end = bytes[(at + 1)...].firstIndex(of: bytes[at]) else { throw expected("a closing quote", at: start) }
    at = end + 1
    return String(decoding: bytes[(start + 1)..<end], as: UTF8.self)
  }

  /// A name that starts here: letters, digits, `_` and `-`, no digit or `-` first.
  private mutating func name() -> String? {
    guard at < bytes.count, bytes[at].isNameStart else { return nil }
    let name = bytes[at...].prefix { $0.isNamePart }
    at += name.count
    return String(decoding: name, as: UTF8.self)
  }

  private mutating func take(_ token: String) -> Bool {
    skipSpace()
    return takeHere(token)
  }

  private mutating func takeHere(_ token: String) -> Bool {
    guard bytes[at...].starts(with: token.utf8) else { return false }
    at += token.utf8.count
    return true
  }

  private mutating func skipSpace() { while at < bytes.count, bytes[at].isSpace { at += 1 } }

  private func expected(_ what: String, at place: Int? = nil) -> SimplonError {
    let rest = String(decoding: bytes[(place ?? at)...].prefix(40), as: UTF8.self)
    let found = rest.isEmpty ? "the end" : "\"\(rest)\""
    return SimplonError(.planExpression, "an expression cannot be read: \(what) is expected where \(found) stands")
  }
}

extension UInt8 {
  fileprivate var isNameStart: Bool { isLetter || self == UInt8(ascii: "_") }
  fileprivate var isNamePart: Bool { isNameStart || isDigit || self == UInt8(ascii: "-") }
  fileprivate var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

extension String {
  /// The text without ASCII space at either end.
  var trimmed: String {
    var rest = utf8[...]
    while let first = rest.first, first.isSpace { rest.removeFirst() }
    while let last = rest.last, last.isSpace { rest.removeLast() }
    return String(Substring(rest))
  }
}
