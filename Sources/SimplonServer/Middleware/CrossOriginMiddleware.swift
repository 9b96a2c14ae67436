import HTTPTypes
import Hummingbird

/// Lets pages of the allowed origins call, and answers their preflights.
///
/// - Source: WHATWG Fetch, "CORS protocol".
struct CrossOriginMiddleware: RouterMiddleware {
  private let origins: Set<String>
  private let anyOrigin: Bool

  init(origins: [String]) {
    self.origins = Set(origins)
    self.anyOrigin = origins.contains("*")
  }

  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    guard let origin = request.headers[.origin], anyOrigin || origins.contains(origin) else {
      var response = try await next(request, context)
      // A cache must not give this answer, which says nothing of origins, to a page that may call.
      if !anyOrigin, !origins.isEmpty { response.headers[.vary] = "Origin" }
      return response
    }
    let asked = request.headers[.accessControlRequestMethod]
    let isPreflight = request.method == .options && asked != nil
    var response = isPreflight ? Response(status: .noContent) : try await next(request, context)
    response.headers[.accessControlAllowOrigin] = anyOrigin ? "*" : origin
    if !anyOrigin {
      response.headers[.accessControlAllowCredentials] = "true"
      response.headers[.vary] = "Origin"
    }
    if isPreflight {
      response.headers[.accessControlAllowMethods] = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"
      response.headers[.accessControlMaxAge] = "86400"
      let names = request.headers[.accessControlRequestHeaders]
      response.headers[.accessControlAllowHeaders] = names.map { String($0.prefix(1024)) }
    } else {
      response.headers[.accessControlExposeHeaders] =
        "x-request-id, retry-after, content-disposition, content-range, accept-ranges, etag"
    }
    return response
  }
}
