import SimplonCore

/// A column's type, as far as it says whether values fit into another one.
struct ColumnType {
  /// Its name without length or precision.
  let base: String
  /// PostgreSQL's type modifier; -1 for none.
  let modifier: Int

  init(_ column: SchemaItem) {
    base = column.fact("base") ?? ""
    modifier = column.facts["modifier"]?.integer ?? -1
  }

  private static let integers = ["smallint", "integer", "bigint", "numeric"]
  private static let lengthened: Set = [
    "character varying", "bit varying", "time without time zone", "timestamp without time zone",
    "timestamp with time zone",
  ]

  /// Whether every value of the other type has a place here, unchanged; false where that is not known.
  func holds(_ other: ColumnType) -> Bool {
    if base == "text", !other.base.hasSuffix("[]") { return true }
    if base == other.base {
      if modifier == other.modifier || modifier == -1 { return true }
      guard other.modifier != -1 else { return false }
      if base == "numeric" {
        let (old, new) = (other.digits, digits)
        return new.behind >= old.behind && new.before >= old.before
      }
      return Self.lengthened.contains(base) && modifier >= other.modifier
    }
    guard modifier == -1 else { return false }
    if let new = Self.integers.firstIndex(of: base), let old = Self.integers.firstIndex(of: other.base) {
      // A numeric has a fraction unless its scale says otherwise, but it is the last in the row.
      return old < new
    }
    return (other.base, base) == ("real", "double precision")
  }

  /// A numeric's digits before and behind the point.
  ///
  /// - Source: `numerictypmodin` in PostgreSQL's `numeric.c`.
  private var digits: (before: Int, behind: Int) {
    let (precision, scale) = (((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF)
    return (precision - scale, scale)
  }
}
