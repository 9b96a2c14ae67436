import SimplonCore

/// How large a plan, and whatever its expressions resolve to, may still become.
struct Allowance {
  /// The most bytes of text, counting the values themselves and one byte for each value.
  static let bytes = 4 << 20
  /// The most levels of arrays and objects.
  static let levels = 64

  private var left = Allowance.bytes

  /// Takes bytes.
  ///
  /// - Throws: `plan.too_large`.
  mutating func spend(_ count: Int) throws(SimplonError) {
    guard count <= left else { throw SimplonError(.planTooLarge, "it passes the limit of 4 MiB") }
    left -= count
  }

  /// Checks the level of an array or object and takes a byte for it.
  ///
  /// - Throws: `plan.too_large`.
  mutating func enter(_ level: Int) throws(SimplonError) {
    guard level <= Self.levels else { throw SimplonError(.planTooLarge, "it nests deeper than \(Self.levels) levels") }
    try spend(1)
  }

  /// Takes what a whole value needs that stands at a level; 1 is the outermost.
  ///
  /// - Throws: `plan.too_large`.
  mutating func spend(on json: JSON, level: Int = 1) throws(SimplonError) {
    switch json {
    case .null, .bool: try spend(1)
    case .number(let text), .string(let text): try spend(1 + text.utf8.count)
    case .array(let items):
      try enter(level)
      for item in items { try spend(on: item, level: level + 1) }
    case .object(let members):
      try enter(level)
      for (name, member) in members {
        try spend(name.utf8.count)
        try spend(on: member, level: level + 1)
      }
    }
  }
}
