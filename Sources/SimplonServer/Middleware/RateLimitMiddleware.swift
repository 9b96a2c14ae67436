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
      let name = Self.network(of: context.address(of: request, proxies: proxies))
      if let wait = buckets.take(name, at: .now) { throw SimplonError.rateLimited("this address", wait: wait) }
    }
    return try await next(request, context)
  }

  /// What shares a bucket: an IPv4 address, or the first four groups of an IPv6 address, as one customer has them all.
  static func network(of address: String) -> String {
    guard address.contains(":"), !address.contains(".") else { return address }
    return address.split(separator: ":", omittingEmptySubsequences: false).prefix(4).joined(separator: ":")
  }
}
