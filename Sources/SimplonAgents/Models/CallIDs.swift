/// Gives each call of a reply an id that no other call of the transcript has.
///
/// Some servers number the calls of each turn anew, give two of them one id, or none; the vendors refuse such a transcript.
struct CallIDs: Sendable {
  private let turns: Int
  private var taken: Set<String>

  /// Begins behind a transcript.
  init(after messages: [ModelMessage]) {
    let before = messages.compactMap { message -> ModelTurn? in
      if case .assistant(let turn) = message { turn } else { nil }
    }
    turns = before.count
    taken = Set(before.flatMap(\.calls).map(\.id))
  }

  /// The id that the server gave where it is free, else one by the call's place in the reply.
  mutating func id(_ given: String, at place: Int) -> String {
    var id = given.isEmpty || taken.contains(given) ? "call_\(turns)_\(place)" : given
    while !taken.insert(id).inserted { id += "_" }
    return id
  }
}
