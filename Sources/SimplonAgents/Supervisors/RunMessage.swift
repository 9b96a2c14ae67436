import FoundationEssentials
import SimplonCore

/// A message of a run's transcript, as it is kept.
///
/// Nothing is kept twice: the results of calls are those of steps, and stand there.
struct RunMessage: Sendable, Hashable {
  enum Role: String, Sendable, Hashable {
    /// What a person asked, or the engine in its place: `{"text"}`.
    case user
    /// What a model said: `{"text", "calls": [{"id", "name", "step_id"?, "plan"?}], "stop"}`, and its turn byte by byte.
    case assistant
    /// That the turn before has all its results: `{"calls": n}`.
    case tool
    /// What takes the place of all messages before it: `{"text"}`.
    case summary
  }

  /// From 1, without a gap.
  let position: Int
  let role: Role
  let content: JSON
  /// ``ModelTurn/bytes``.
  var raw: [UInt8]?

  /// The message as `simplon.settle_steps` takes it.
  var json: JSON {
    var members: [String: JSON] = [
      "position": .integer(position), "role": .string(role.rawValue), "content": content,
    ]
    members["raw"] = raw.map { .string(String(decoding: $0, as: UTF8.self)) }
    return .object(members)
  }

  var event: RunEvent {
    RunEvent(kind: "message", payload: ["position": .integer(position), "role": .string(role.rawValue)])
  }
}
