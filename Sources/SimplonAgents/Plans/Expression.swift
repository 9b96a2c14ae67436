import SimplonCore

/// What stands between `${{` and `}}`: a path, or paths compared with literals and joined by `&&` and `||`.
package struct Expression: Sendable, Hashable {
  /// The text between the braces, without the space around it.
  package let text: String
  let root: Term

  /// One node of the tree.
  indirect enum Term: Sendable, Hashable {
    case path(Path)
    case comparison(Path, Comparison, JSON)
    case all([Term])
    case any([Term])
  }

  /// The comparisons.
  enum Comparison: String, Sendable {
    case equal = "=="
    case different = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
  }

  /// Where a value is read.
  struct Path: Sendable, Hashable {
    /// What the path starts from.
    enum Root: Sendable, Hashable {
      case output(step: String)
      case status(step: String)
      case error(step: String)
      case run
    }
    /// One way further in.
    enum Member: Sendable, Hashable {
      case name(String)
      case index(Int)
    }
    var root: Root
    var members: [Member]
  }

  /// The steps that it reads.
  package var stepIDs: Set<String> {
    var found = Set<String>()
    root.collect(into: &found)
    return found
  }

  /// The value, in its own JSON type; what is missing is null.
  ///
  /// - Throws: `plan.expression` when two values cannot be ordered or a joined part is neither true nor false.
  func value(in scope: Scope) throws(SimplonError) -> JSON { try root.value(in: scope) }

  /// The value as a condition; null counts as false.
  ///
  /// - Throws: `plan.expression`, also when the value is neither true, false nor null.
  func truth(in scope: Scope) throws(SimplonError) -> Bool { try root.truth(in: scope) }

  /// What expressions can see.
  struct Scope {
    /// The object behind `run.…`.
    var run: JSON
    /// The settled step of that id.
    var step: (String) -> SettledStep?
  }
}

extension Expression.Term {
  func collect(into found: inout Set<String>) {
    switch self {
    case .path(let path), .comparison(let path, _, _):
      switch path.root {
      case .output(let step), .status(let step), .error(let step): found.insert(step)
      case .run: break
      }
    case .all(let terms), .any(let terms): for term in terms { term.collect(into: &found) }
    }
  }

  func value(in scope: Expression.Scope) throws(SimplonError) -> JSON {
    switch self {
    case .path(let path): return path.value(in: scope)
    case .comparison(let path, let comparison, let literal):
      return .bool(try comparison.holds(path.value(in: scope), literal))
    case .all(let terms):
      for term in terms where try !term.truth(in: scope) { return false }
      return true
    case .any(let terms):
      for term in terms where try term.truth(in: scope) { return true }
      return false
    }
  }

  func truth(in scope: Expression.Scope) throws(SimplonError) -> Bool {
    switch try value(in: scope) {
    case .bool(let truth): return truth
    case .null: return false
    case let other: throw SimplonError(.planExpression, "a condition must be true or false, not \(other.kind)")
    }
  }
}

extension Expression.Path {
  func value(in scope: Expression.Scope) -> JSON {
    var value: JSON =
      switch root {
      case .output(let step): scope.step(step)?.output ?? .null
      case .status(let step): scope.step(step).map { .string($0.status.rawValue) } ?? .null
      case .error(let step): scope.step(step)?.error ?? .null
      case .run: scope.run
      }
    for member in members {
      switch (member, value) {
      case (.name(let name), .object(let members)): value = members[name] ?? .null
      case (.index(let index), .array(let items)): value = items.indices.contains(index) ? items[index] : .null
      default: return .null
      }
    }
    return value
  }
}

extension Expression.Comparison {
  func holds(_ value: JSON, _ literal: JSON) throws(SimplonError) -> Bool {
    switch self {
    case .equal: return value.isSame(as: literal)
    case .different: return !value.isSame(as: literal)
    case .less: return try precedes(value, literal)
    case .lessOrEqual: return try !precedes(literal, value)
    case .greater: return try precedes(literal, value)
    case .greaterOrEqual: return try !precedes(value, literal)
    }
  }

  private func precedes(_ one: JSON, _ other: JSON) throws(SimplonError) -> Bool {
    if let one = ExactNumber(one), let other = ExactNumber(other) { return one < other }
    if let one = one.string, let other = other.string { return one.utf8.lexicographicallyPrecedes(other.utf8) }
    throw SimplonError(
      .planExpression, "\(rawValue) compares two numbers or two texts, not \(one.kind) and \(other.kind)")
  }
}

extension JSON {
  /// The type in words, for messages.
  fileprivate var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .number: "a number"
    case .string: "a text"
    case .array: "an array"
    case .object: "an object"
    }
  }
}
