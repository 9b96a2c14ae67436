/// Reads a JSON object field by field and refuses, by name, what nobody asked for.
///
/// Take every field that is known, then call ``finish()``. A field that is `null` counts as absent.
public struct Fields {
  private var rest: [String: JSON]
  private let place: String
  private let code: SimplonError.Code

  /// Opens an object.
  ///
  /// - Parameters:
  ///   - json: what should be an object.
  ///   - place: its name for messages, such as `body` or `step "stats"`.
  ///   - code: the code of every error thrown here, unknown fields apart.
  /// - Throws: `code` when it is no object.
  public init(_ json: JSON, _ place: String, code: SimplonError.Code = .requestInvalid) throws(SimplonError) {
    guard case .object(let members) = json else { throw SimplonError(code, "\(place) must be an object") }
    self.rest = members
    self.place = place
    self.code = code
  }

  /// Takes the field as it stands, or nil when it is absent or null.
  public mutating func json(_ name: String) -> JSON? {
    guard let value = rest.removeValue(forKey: name), !value.isNull else { return nil }
    return value
  }

  /// Takes a string.
  public mutating func string(_ name: String) throws(SimplonError) -> String? {
    guard let value = json(name) else { return nil }
    guard let text = value.string else { throw wrong(name, "must be a string") }
    return text
  }

  /// Takes a truth value.
  public mutating func bool(_ name: String) throws(SimplonError) -> Bool? {
    guard let value = json(name) else { return nil }
    guard let truth = value.bool else { throw wrong(name, "must be true or false") }
    return truth
  }

  /// Takes an integer within a range.
  public mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(SimplonError) -> Int? {
    guard let value = json(name) else { return nil }
    guard let number = value.integer, range.contains(number) else {
      throw wrong(name, "must be an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// Takes an object.
  public mutating func object(_ name: String) throws(SimplonError) -> [String: JSON]? {
    guard let value = json(name) else { return nil }
    guard let members = value.object else { throw wrong(name, "must be an object") }
    return members
  }

  /// Takes an array of strings.
  public mutating func strings(_ name: String) throws(SimplonError) -> [String]? {
    guard let value = json(name) else { return nil }
    guard let items = value.array else { throw wrong(name, "must be an array of strings") }
    var texts = [String]()
    for item in items {
      guard let text = item.string else { throw wrong(name, "must be an array of strings") }
      texts.append(text)
    }
    return texts
  }

  /// Takes a length of time such as `"30s"`.
  public mutating func duration(_ name: String, in range: ClosedRange<Duration>) throws(SimplonError) -> Duration? {
    guard let text = try string(name) else { return nil }
    guard let value = Duration(parsing: text), range.contains(value) else {
      throw wrong(name, "must be a time such as \"30s\", from \(range.lowerBound.short) to \(range.upperBound.short)")
    }
    return value
  }

  /// Refuses what is left.
  ///
  /// - Throws: `request.unknown_field` with the names, when the place is a request; else the reader's own code.
  public func finish() throws(SimplonError) {
    guard !rest.isEmpty else { return }
    let names = rest.keys.sorted()
    let listed = names.prefix(5).map { "\"\($0.prefix(64))\"" }.joined(separator: ", ")
    throw SimplonError(
      code == .requestInvalid ? .requestUnknownField : code, "\(place) has unknown fields: \(listed)",
      details: ["fields": .array(names.prefix(20).map { .string(String($0.prefix(64))) })])
  }

  /// The error for one field, worded like the reader's own.
  public func wrong(_ name: String, _ what: String) -> SimplonError {
    SimplonError(code, "\"\(name)\" of \(place) \(what)", details: ["field": .string(name)])
  }
}
