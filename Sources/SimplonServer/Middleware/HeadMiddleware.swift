import Hummingbird

/// Takes the body from every answer to HEAD, an error's too: it would be read as the next answer on the connection.
///
/// - Source: RFC 9110, section 9.3.2.
struct HeadMiddleware: RouterMiddleware {
  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    var response = try await next(request, context)
    guard request.method == .head else { return response }
    // The length that GET would have, or none where GET says none.
    response.body = ResponseBody(contentLength: response.body.contentLength) { try await $0.finish(nil) }
    return response
  }
}
