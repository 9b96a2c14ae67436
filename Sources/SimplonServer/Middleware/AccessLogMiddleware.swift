import Hummingbird
import Logging
import SimplonAgents
import SimplonCore
import SimplonIdentity

/// Writes one line per request, when its answer begins; secrets in the query are blotted out.
struct AccessLogMiddleware: RouterMiddleware {
  let proxies: Int

  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    let start = ContinuousClock.now
    let response = try await next(request, context)
    context.logger.info(
      "request",
      metadata: [
        "method": .string(request.method.rawValue),
        "path": .string(Ticket.redact(request.uri.path)),
        "query": .string(request.uri.query.map(Query.redacted) ?? ""),
        "status": .stringConvertible(response.status.code),
        "duration_ms": .stringConvertible((ContinuousClock.now - start).milliseconds),
        "remote": .string(context.address(of: request, proxies: proxies)?.description ?? "unknown"),
      ])
    return response
  }
}
