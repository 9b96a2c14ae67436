import Hummingbird

/// Takes the body from every answer to HEAD, an error's too: it would be read as the next answer on the connection.
///
/// - Source: RFC 9110, section 9.3.2.
struct HeadMiddleware: RouterMiddleware {
  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    let response = try await next(request, context)
    return request.method == .head ? response.createHeadResponse() : response
  }
}
