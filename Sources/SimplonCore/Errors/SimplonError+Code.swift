extension SimplonError {
  /// A stable name for one way to fail.
  ///
  /// Codes are never renamed and never reused; `docs/errors.md` lists them all.
  /// The type is open: a code that a newer server sends survives the journey through an older client.
  public struct Code: Hashable, Sendable {
    /// The name, `family.what`.
    public let rawValue: String
    /// The HTTP status that a door answers with.
    public let status: Int
    /// One sentence for the manual.
    public let meaning: String

    /// Makes a code.
    ///
    /// The registry below is the only place that should.
    public init(_ rawValue: String, status: Int, _ meaning: String) {
      self.rawValue = rawValue
      self.status = status
      self.meaning = meaning
    }

    /// Two codes are one when their names are.
    public static func == (one: Code, other: Code) -> Bool { one.rawValue == other.rawValue }

    /// Hashes the name alone.
    public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
  }
}
