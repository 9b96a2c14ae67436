import Hummingbird
import SimplonCore

/// Limits how fast one address may ask; the health paths, which probes and scrapers poll, are free.
struct RateLimitMiddleware: RouterMiddleware {
  private let buckets: TokenBuckets?
  private let proxies: Int

  init(rate: ServerConfiguration.Rate?, proxies: Int) {
    self.buckets = rate.map { TokenBuckets(rate: $0) }
    self.proxies = proxies
  }

  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    if let buckets, !["/health", "/ready", "/metrics"].contains(request.uri.path) {
      let name = context.address(of: request, proxies: proxies)?.network ?? "unknown"
      if let wait = buckets.take(name, at: .now) { throw SimplonError.rateLimited("this address", wait: wait) }
    }
    return try await next(request, context)
  }
}
