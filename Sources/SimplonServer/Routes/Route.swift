import Hummingbird
import SimplonAgents
import SimplonCore
import SimplonIdentity

/// One operation of the API: the router and the OpenAPI document are both made from it.
struct Route: Sendable {
  /// Who may pass, and what then happens.
  enum Handler: Sendable {
    /// Anyone.
    case open(@Sendable (Call) async throws -> Response)
    /// A principal, by token or key.
    case caller(@Sendable (Call, Principal) async throws -> Response)
    /// A principal, or whoever holds a ticket for the run that `run_id` names.
    case callerOrTicket(@Sendable (Call, Principal) async throws -> Response)
  }

  /// One thing the operation can answer, errors apart.
  struct Answer: Sendable {
    let status: Int
    let summary: String
    var media = "application/json"
    /// JSON Schema of the body; nil for no body.
    var schema: JSON?
  }

  /// The path, with parameters as `{name}`.
  let path: String
  /// The same operation where `functions.invoke` of a Supabase client finds it.
  var functionPath: String?
  /// The methods that run it; HEAD comes with GET where ``isSafe``.
  var methods: [HTTPRequest.Method] = [.get, .post]
  /// Whether it changes nothing, so that HEAD may run it.
  var isSafe = true
  /// The name in the OpenAPI document, `verbNoun`.
  let name: String
  /// The heading in the OpenAPI document.
  let tag: String
  let summary: String
  /// The forms of the request; where there are several, the first field of each is the choice between them.
  var shapes: [Shape] = []
  /// Headers it reads.
  var headers: [Field] = []
  let answers: [Answer]
  var handler: Handler

  /// Every path it answers at.
  var paths: [String] { [path] + (functionPath.map { [$0] } ?? []) }

  /// The names of the path's parameters.
  var parameters: [String] {
    path.split(separator: "/").filter { $0.hasPrefix("{") && $0.hasSuffix("}") }.map {
      String($0.dropFirst().dropLast())
    }
  }

  /// The form that a request has.
  ///
  /// - Throws: `request.invalid` or `request.not_supported` when the choice between the forms is missing or wrong.
  func shape(of members: [String: JSON]) throws(SimplonError) -> Shape {
    guard let only = shapes.first else { return Shape(name: name) }
    guard shapes.count > 1 else { return only }
    var words = [String]()
    var later = [String]()
    for shape in shapes {
      guard case .choice(let own, let coming)? = shape.fields.first?.kind else { continue }
      if let word = members[shape.fields[0].name]?.string, own.contains(word) { return shape }
      words += own
      later += coming
    }
    let choice = Field(
      name: only.fields.first?.name ?? "", kind: .choice(words, later: later), isRequired: true, summary: "")
    _ = try Shape(name: name, fields: [choice]).check(members.filter { $0.key == choice.name })
    return only
  }
}
