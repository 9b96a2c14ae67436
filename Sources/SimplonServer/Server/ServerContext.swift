package import Hummingbird
import Logging
import NIOCore

/// What belongs to one request on its way through the server.
package struct ServerContext: RequestContext {
  /// What Hummingbird keeps: logger, path parameters, the route's pattern.
  package var coreContext: CoreRequestContextStorage
  /// The connection, for its address and for the barrier that bounds a stream's memory.
  let channel: any Channel
  /// The request's id, the caller's own where it sent a good one.
  var requestID = ""

  /// Starts the context of a request.
  package init(source: ApplicationRequestContextSource) {
    self.coreContext = .init(source: source)
    self.channel = source.channel
  }

  /// The caller's address as text, or `unknown` where the connection has none.
  ///
  /// `proxies` says how many reverse proxies to trust; see ``ServerConfiguration/trustedProxies``.
  func address(of request: Request, proxies: Int) -> String {
    if proxies > 0, let forwarded = request.headers[.xForwardedFor] {
      let hops = forwarded.split(separator: ",")
      if let hop = hops.suffix(proxies).first { return String(hop.filter { $0 != " " }.prefix(64)) }
    }
    return channel.remoteAddress?.ipAddress ?? "unknown"
  }
}

/// What a middleware calls to go on; Hummingbird's functions leave the caller's actor.
typealias Next = @concurrent (Request, ServerContext) async throws -> Response
