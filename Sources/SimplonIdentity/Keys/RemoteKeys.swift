import AsyncHTTPClient
import JWTKit
import Logging
import NIOCore
import NIOHTTP1
import SimplonCore

/// The keys that an issuer publishes at an address, fetched when they are needed.
///
/// They are fetched anew when they are ten minutes old, or when a token names a key that is not among them; never more
/// often than every 30 s, whoever asks, and once for all callers at that time. Who asks for a known key waits for that
/// only when a minute more has passed and the issuer is not known to fail, so that a slow issuer holds up nobody. While
/// the issuer cannot be reached the old keys go on, for a day.
actor RemoteKeys {
  private static let lifetime = 600
  private static let grace = 60
  private static let end = 86_400
  private static let pause = 30
  private static let limit = 256 << 10

  private let url: String
  private let now: @Sendable () -> Int
  private let logger: Logger
  private var keys: KeySet?
  private var fetchedAt = Int.min
  private var triedAt = Int.min
  /// Whether the last fetch that ended was in vain.
  private var isFailing = false
  private var fetch: Task<Void, Never>?

  /// Names the address; nothing is fetched yet.
  ///
  /// - Parameters:
  ///   - url: where the JWKS is; https, or http on this machine.
  ///   - now: Unix seconds.
  ///   - logger: hears of failed fetches.
  init(url: String, now: @escaping @Sendable () -> Int, logger: Logger) {
    self.url = url
    self.now = now
    self.logger = logger
  }

  /// The key to verify a token with, or nil when the issuer has no such key.
  ///
  /// - Throws: `auth.issuer_unreachable` while there are no keys of the last day.
  func verifier(_ id: String?, _ algorithm: SignedToken.Algorithm) async throws(SimplonError) -> (any JWTAlgorithm)? {
    let known = trusted?.verifier(id, algorithm)
    if known != nil, isWithin(Self.lifetime, of: fetchedAt) { return known }
    refresh()
    if known != nil, isFailing || isWithin(Self.lifetime + Self.grace, of: fetchedAt) { return known }
    await fetch?.value
    guard let trusted else {
      throw SimplonError(
        .authIssuerUnreachable, "the keys of the token's issuer cannot be fetched", hint: "try again later",
        retry: .after(.seconds(Self.pause)))
    }
    return trusted.verifier(id, algorithm)
  }

  private var trusted: KeySet? { isWithin(Self.end, of: fetchedAt) ? keys : nil }

  /// Begins a fetch, unless one is under way or was begun a moment ago.
  private func refresh() {
    guard fetch == nil, !isWithin(Self.pause, of: triedAt) else { return }
    triedAt = now()
    // Not a child task: it serves all who wait, also when the one who began is cancelled. Its time is limited.
    fetch = Task {
      do {
        keys = try await fetched()
        fetchedAt = now()
        isFailing = false
      } catch {
        isFailing = true
        logger.warning("An issuer's keys could not be fetched", metadata: ["url": "\(url)", "error": "\(error)"])
      }
      fetch = nil
    }
  }

  /// Whether that time was less than so many seconds ago; not when it lies ahead, after a clock was set back.
  private func isWithin(_ seconds: Int, of time: Int) -> Bool {
    let now = now()
    return time <= now && time > now - seconds
  }

  private func fetched() async throws -> KeySet {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.timeout.connect = .seconds(2)
    return try await HTTPClient.withHTTPClient(configuration: configuration) { client in
      let response = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(5))
      guard response.status == .ok else {
        throw SimplonError(.authIssuerUnreachable, "the issuer answered with status \(response.status.code)")
      }
      let body = try await response.body.collect(upTo: Self.limit)
      return try await KeySet(JSON(parsing: body.readableBytesView))
    }
  }
}
