import SimplonCore

/// The operator's caps, in US dollars as ``USD/isAmount(_:)`` has them; nil is none.
package struct SpendingCaps: Sendable, Hashable {
  /// What one question to a model may cost at most.
  package var call: String?
  /// What a run may cost, over all its attempts.
  package var run: String?
  /// What a run and all runs below it may cost.
  package var tree: String?
  /// What one user may spend in a day of UTC.
  package var userDay: String?
  /// What all may spend in a day of UTC.
  package var day: String?

  /// Makes no caps.
  package init() {}

  /// The caps as the database's functions take them.
  var json: JSON {
    var members = [String: JSON]()
    for (name, cap) in [("call", call), ("run", run), ("tree", tree), ("user_day", userDay), ("day", day)] {
      members[name] = cap.map(JSON.number)
    }
    return .object(members)
  }
}
