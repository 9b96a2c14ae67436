/// How the HTTP server listens, whom it lets in and how long it waits.
package struct ServerConfiguration: Sendable {
  /// The address to listen on.
  package var host: String
  /// The port to listen on; 0 takes any free one.
  package var port: Int
  /// The version that `/health` and the OpenAPI document name.
  package var version: String
  /// Origins whose pages may call (`https://app.example.com`); `*` alone lets every page in, without credentials.
  package var allowedOrigins: [String] = []
  /// How fast one principal may ask; nil for no limit.
  package var principalRate: Rate? = Rate(perSecond: 100, burst: 200)
  /// How fast one address may ask; nil for no limit.
  package var addressRate: Rate? = Rate(perSecond: 200, burst: 400)
  /// How many reverse proxies stand in front.
  ///
  /// The caller's address is that many entries from the right of `X-Forwarded-For`; 0 takes the connection's own.
  package var trustedProxies = 0
  /// How many connections may be open; the next ones wait until one is closed.
  ///
  /// Without proxies one address has at most half of them, and more are closed.
  package var maximumConnections = 1 << 20
  /// How long a connection may take until its first request's head is there.
  package var patience: Duration = .seconds(10)
  /// How long a connection may be silent between requests, or while it sends one.
  package var idleTimeout: Duration = .seconds(75)
  /// The time between two comments on a stream, which keep proxies from closing it.
  package var heartbeat: Duration = .seconds(15)
  /// How long a stream's reader may take nothing before it is cut off (it resumes by `Last-Event-ID`).
  package var stallLimit: Duration = .seconds(60)

  /// Makes a configuration with the defaults for everything but these.
  package init(host: String, port: Int, version: String) {
    self.host = host
    self.port = port
    self.version = version
  }

  /// A token bucket's size and refill.
  package struct Rate: Sendable, Hashable {
    /// Requests a second in the long run.
    package var perSecond: Double
    /// Requests at once after a rest.
    package var burst: Double

    /// Makes a rate; both values are raised to at least one request an hour and one at once.
    package init(perSecond: Double, burst: Double) {
      self.perSecond = max(perSecond, 1.0 / 3600)
      self.burst = max(burst, 1)
    }
  }

  /// The largest request body in bytes.
  static let bodyLimit = 4 << 20
}
