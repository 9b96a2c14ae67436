package import Hummingbird
import Logging
import NIOCore
import SimplonAgents

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

  /// The caller's address; nil where the connection has none.
  ///
  /// `proxies` says how many reverse proxies to trust; see ``ServerConfiguration/trustedProxies``. A request that passed
  /// fewer of them, or names no address there, counts for its connection's own.
  func address(of request: Request, proxies: Int) -> NetworkAddress? {
    let hops = request.headers[.xForwardedFor]?.split(separator: ",") ?? []
    if proxies > 0, hops.count >= proxies, let address = NetworkAddress(forwarded: hops[hops.count - proxies]) {
      return address
    }
    return channel.remoteAddress?.ipAddress.flatMap { NetworkAddress(forwarded: $0) }
  }
}

/// What a middleware calls to go on; Hummingbird's functions leave the caller's actor.
typealias Next = @concurrent (Request, ServerContext) async throws -> Response
