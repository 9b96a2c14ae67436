import SimplonCore

/// How large a plan, and whatever its expressions resolve to, may still become.
struct SizeLimit {
  /// The most bytes of text, counting the values themselves and one byte for each value.
  static let bytes = 4 << 20
  /// The most levels of arrays and objects.
  static let levels = 64

  private var left = SizeLimit.bytes

  /// Counts bytes.
  ///
  /// - Throws: `plan.too_large`.
  mutating func add(bytes count: Int) throws(SimplonError) {
    guard count <= left else { throw SimplonError(.planTooLarge, "it passes the limit of 4 MiB") }
    left -= count
  }

  /// Checks the level of an array or object and counts a byte for it.
  ///
  /// - Throws: `plan.too_large`.
  mutating func enter(_ level: Int) throws(SimplonError) {
    guard level <= Self.levels else { throw SimplonError(.planTooLarge, "it nests deeper than \(Self.levels) levels") }
    try add(bytes: 1)
  }

  /// Counts what a whole value takes that stands at a level; 1 is the outermost.
  ///
  /// - Throws: `plan.too_large`.
  mutating func add(_ json: JSON, level: Int = 1) throws(SimplonError) {
    switch json {
    case .null, .bool: try add(bytes: 1)
    case .number(let text), .string(let text): try add(bytes: 1 + text.utf8.count)
    case .array(let items):
      try enter(level)
      for item in items { try add(item, level: level + 1) }
    case .object(let members):
      try enter(level)
      for (name, member) in members {
        try add(bytes: name.utf8.count)
        try add(member, level: level + 1)
      }
    }
  }
}

extension JSON {
  /// What the value counts against a ``SizeLimit``.
  var size: Int {
    switch self {
    case .null, .bool: 1
    case .number(let text), .string(let text): 1 + text.utf8.count
    case .array(let items): items.reduce(1) { $0 + $1.size }
    case .object(let members): members.reduce(1) { $0 + $1.key.utf8.count + $1.value.size }
    }
  }
}
