import HTTPTypes
import Hummingbird
import Logging
import SimplonCore

/// Turns whatever is thrown into an answer of our shape; faults of ours are logged with their cause.
struct ErrorMiddleware: RouterMiddleware {
  let table: RouteTable

  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    let path = request.uri.path
    do {
      return try await next(request, context)
    } catch let error as SimplonError {
      return render(error, path, context)
    } catch let error as HTTPError where error.status == .notFound {
      return unmatched(request, context)
    } catch is CancellationError {
      return Response(
        SimplonError(.serverShutdown, "the server is stopping", hint: "send the request again", retry: .backoff),
        forFunctions: path.hasPrefix("/functions/"))
    } catch {
      return render(
        SimplonError(
          .serverInternal, "a fault of ours; the log has it under the request's id",
          hint: "report it with the id \(context.requestID)", cause: error), path, context)
    }
  }

  private func render(_ error: SimplonError, _ path: String, _ context: ServerContext) -> Response {
    if error.code.status >= 500 {
      context.logger.error(
        "request failed", metadata: ["code": .string(error.code.rawValue), "error": .string(error.debugDescription)])
    }
    return Response(error, forFunctions: path.hasPrefix("/functions/"))
  }

  /// The answer where no route matched: the path's methods, or nothing there.
  private func unmatched(_ request: Request, _ context: ServerContext) -> Response {
    let path = request.uri.path
    let methods = table.methods(at: path)
    context.coreContext.endpointPath.value = nil
    guard !methods.isEmpty else {
      return render(
        SimplonError(.requestNotFound, "there is nothing at this path", hint: "GET /openapi.json lists the paths"),
        path, context)
    }
    let allowed = (methods + [.options]).map(\.rawValue).joined(separator: ", ")
    guard request.method != .options else { return Response(status: .noContent, headers: [.allow: allowed]) }
    var response = render(
      SimplonError(
        .requestMethod, "this path does not take \(request.method.rawValue.prefix(32))", hint: "it takes \(allowed)"),
      path, context)
    response.headers[.allow] = allowed
    return response
  }
}
