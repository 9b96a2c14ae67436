import SimplonCore

/// How a model's server has answered, its events apart.
struct ModelAnswer: Sendable, Hashable {
  /// The HTTP status.
  let status: Int
  /// By names in lower case; of a name that stands twice, the first.
  let headers: [String: String]
  /// What an answer that is an error says: its first bytes.
  var body: [UInt8] = []

  /// Whether events came.
  var isGood: Bool { (200..<300).contains(status) }
}

/// How far the reading of a stream has come.
enum ModelProgress: Sendable, Hashable {
  /// More is needed.
  case open
  /// What has come is a reply; more may come, and need not.
  case enough
  /// Nothing more will come.
  case whole
}

extension StreamedEvent {
  /// The data of an event of a model's answer, with U+FFFD for what PostgreSQL cannot keep.
  ///
  /// - Throws: `model.protocol`.
  func modelJSON() throws(SimplonError) -> JSON {
    do {
      return try JSON(parsing: data, replacing: true)
    } catch {
      throw SimplonError(
        .modelProtocol, "an event of the model's answer is no JSON", retry: .backoff, cause: error)
    }
  }
}

extension ModelTurn.Call {
  /// The input out of what a model wrote, piece by piece: nothing is an empty object, and what is no object is none.
  static func input(_ text: String) -> JSON? {
    if text.isBlank { return .object([:]) }
    guard let json = try? JSON(parsing: text), json.object != nil else { return nil }
    return json
  }
}
