import FoundationEssentials
import SimplonCore

/// Reads the members of a request that go to SQL as one object: each known, of its kind and within its limit.
struct MemberReader {
  private var fields: Fields
  private var members = [String: JSON]()

  init(_ json: JSON) throws(SimplonError) { fields = try Fields(json, "the request") }

  /// What was read under that name.
  subscript(name: String) -> JSON? { members[name] }

  /// A name as ``AgentWords/namePattern`` has it.
  mutating func name(_ name: String, isRequired: Bool = false) throws(SimplonError) {
    guard let text = try fields.string(name) else { return try miss(name, isRequired) }
    guard AgentWords.isName(text) else {
      throw fields.wrong(name, "must be 1 to 200 of A-Z a-z 0-9 . _ ~ -, the first a letter or a digit")
    }
    members[name] = .string(text)
  }

  mutating func text(_ name: String, upTo most: Int) throws(SimplonError) {
    guard let text = try fields.string(name) else { return }
    guard !text.isEmpty else { throw fields.wrong(name, "must not be empty") }
    try limit(name, text.utf8.count, to: most)
    members[name] = .string(text)
  }

  mutating func word(_ name: String, of words: [String], isRequired: Bool = false) throws(SimplonError) {
    guard let text = try fields.string(name) else { return try miss(name, isRequired) }
    guard words.contains(text) else { throw fields.wrong(name, "must be one of \(words.joined(separator: ", "))") }
    members[name] = .string(text)
  }

  /// An object of at most so many bytes of JSON.
  mutating func object(_ name: String, upTo most: Int) throws(SimplonError) {
    guard let object = try fields.object(name).map(JSON.object) else { return }
    try limit(name, object.utf8.count, to: most)
    members[name] = object
  }

  /// A number that a `double precision` holds; what is too small for it is 0.
  mutating func number(_ name: String, in range: ClosedRange<Double>) throws(SimplonError) {
    guard let value = fields.json(name) else { return }
    guard case .number(let text) = value, let number = Double(text), range.contains(number) else {
      throw fields.wrong(name, "must be a number from \(range.lowerBound) to \(range.upperBound)")
    }
    members[name] = .number("\(abs(number) < 1e-300 ? 0 : number)")
  }

  mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(SimplonError) {
    if let number = try fields.integer(name, in: range) { members[name] = .integer(number) }
  }

  mutating func uuid(_ name: String) throws(SimplonError) {
    guard let text = try fields.string(name) else { return }
    guard let id = UUID(uuidString: text) else { throw fields.wrong(name, "must be a UUID") }
    members[name] = .string(id.uuidString)
  }

  /// A moment.
  mutating func time(_ name: String, isRequired: Bool = true) throws(SimplonError) {
    guard let text = try fields.string(name) else { return try miss(name, isRequired) }
    guard RFC3339.microseconds(text) != nil else {
      throw fields.wrong(name, "must be a time such as 2026-11-20T23:16:00Z")
    }
    members[name] = .string(text)
  }

  /// A string that somebody else checks.
  mutating func takeString(_ name: String) throws(SimplonError) -> String? { try fields.string(name) }

  /// Strings that somebody else checks.
  mutating func takeStrings(_ name: String) throws(SimplonError) -> [String]? { try fields.strings(name) }

  /// A truth value, for somebody else.
  mutating func takeBool(_ name: String) throws(SimplonError) -> Bool? { try fields.bool(name) }

  /// A value that somebody else checks.
  mutating func take(_ name: String) -> JSON? { fields.json(name) }

  /// All that was read, when nothing is left.
  func finish() throws(SimplonError) -> JSON {
    try fields.finish()
    return .object(members)
  }

  private func miss(_ name: String, _ isRequired: Bool) throws(SimplonError) {
    if isRequired { throw fields.wrong(name, "is missing") }
  }

  private func limit(_ name: String, _ bytes: Int, to most: Int) throws(SimplonError) {
    guard bytes <= most else { throw .tooLarge(name, bytes, limit: most) }
  }
}
