import FoundationEssentials
import Hummingbird
import SimplonAgents
import SimplonCore
import SimplonIdentity

/// What every route's request passes before its handler: caller, limit per principal, body, fields.
struct Gate: Sendable {
  private let door: AgentDoor?
  private let buckets: TokenBuckets?

  init(door: AgentDoor?, rate: ServerConfiguration.Rate?) {
    self.door = door
    self.buckets = rate.map { TokenBuckets(rate: $0) }
  }

  /// Runs a route.
  func respond(_ route: Route, _ request: Request, _ context: ServerContext) async throws -> Response {
    switch route.handler {
    case .open(let handle):
      return try await handle(call(route, try await members(route, request, context), request, context))
    case .caller(let handle):
      let principal = try await principal(request)
      return try await handle(call(route, try await members(route, request, context), request, context), principal)
    case .callerOrTicket(let handle):
      guard request.headers[.authorization] == nil, request.headers[.apikey] == nil else {
        let principal = try await principal(request)
        return try await handle(call(route, try await members(route, request, context), request, context), principal)
      }
      let members = try await members(route, request, context)
      guard let ticket = members["ticket"]?.string else {
        let principal = try await principal(request)
        return try await handle(call(route, members, request, context), principal)
      }
      let call = try call(route, members, request, context)
      let principal = try await open().runs.redeemTicket(ticket, for: try call.uuid("run_id"))
      try limit(principal)
      return try await handle(call, principal)
    }
  }

  private func principal(_ request: Request) async throws -> Principal {
    let principal = try await open().authenticator.principal(
      authorization: request.headers[.authorization], apikey: request.headers[.apikey])
    try limit(principal)
    return principal
  }

  /// The door; without one no route asks who is calling.
  private func open() throws(SimplonError) -> AgentDoor {
    guard let door else { throw SimplonError(.requestNotFound, "this process serves no callers") }
    return door
  }

  private func limit(_ principal: Principal) throws(SimplonError) {
    guard let buckets else { return }
    let name = principal.subject?.uuidString ?? "\(principal.issuer ?? "") \(principal.role.rawValue)"
    guard let wait = buckets.take(name, at: .now) else { return }
    throw .rateLimited("one caller", wait: wait)
  }

  private func call(
    _ route: Route, _ members: [String: JSON], _ request: Request, _ context: ServerContext
  ) throws(SimplonError) -> Call {
    Call(request: request, context: context, fields: try route.shape(of: members).check(members))
  }

  /// The request's fields before any check, from the query or the body and from the path.
  private func members(_ route: Route, _ request: Request, _ context: ServerContext) async throws -> [String: JSON] {
    var query = try Query(request.uri.query ?? "")
    var members: [String: JSON]
    if request.method == .post || request.method == .patch {
      query.drop("forceFunctionRegion")  // Supabase's clients add it to every call that names a region
      guard query.isEmpty else {
        var refusal = SimplonError.unknownFields(query.names, known: [])
        refusal.hint = "a \(request.method.rawValue) takes its fields from the JSON body"
        throw refusal
      }
      members = try await Body.members(of: request, on: context.channel)
    } else {
      members = try query.members(of: route)
    }
    for name in route.parameters {
      members[name] = context.parameters.get(name).map(JSON.string)
    }
    return members
  }
}
