import Logging
import SimplonCore

@testable import SimplonIdentity

/// A server that trusts its own project, a foreign project by its public keys, and a foreign one, with the same people,
/// by secret.
struct World {
  static let project = "http://127.0.0.1:54321"
  static let own = "http://127.0.0.1:54321/auth/v1"
  static let foreign = "https://core.example/auth/v1"
  static let sharing = "https://people.example"
  static let person = "6f1c2f0e-2b7a-4d0e-9a55-0f3c8f8a7d11"
  static let publishable = "sb_publishable_0123456789abcdef"
  static let secretKey = "sb_secret_0123456789abcdef"

  let clock = TestClock()
  let authenticator: Authenticator

  init() async throws {
    let list: JSON = [
      [
        "issuer": .string(Self.foreign), "aliases": ["core"],
        "jwks": ["keys": [Forge.jwk(Forge.rsa, id: "r1"), Forge.jwk(Forge.ec, id: "e1")]],
      ],
      [
        "issuer": .string(Self.sharing), "secret": .string(Forge.foreignSecret), "shares_people": true,
        "audience": ["people"],
      ],
    ]
    let logger = Logger(label: "test")
    let own = try Issuer.own(projectURL: Self.project, secret: Forge.ownSecret, now: clock.now, logger: logger)
    authenticator = try Authenticator(
      issuers: [own] + (try await Issuer.list(parsing: list.text, now: clock.now, logger: logger)),
      keys: APIKeys(anon: [Self.publishable], service: [Self.secretKey]), now: clock.now)
  }

  /// Claims of a person of the own project, good for an hour, changed as given; null takes one away.
  func claims(_ changes: [String: JSON] = [:]) -> JSON {
    let base: [String: JSON] = [
      "iss": .string(Self.own), "sub": .string(Self.person), "aud": "authenticated", "role": "authenticated",
      "iat": .integer(clock.now()), "exp": .integer(clock.now() + 3600),
    ]
    return .object(base.merging(changes) { _, changed in changed }.filter { !$0.value.isNull })
  }

  /// Claims of a person of the foreign project.
  func foreignClaims(_ changes: [String: JSON] = [:]) -> JSON {
    claims(["iss": .string(Self.foreign)].merging(changes) { _, changed in changed })
  }

  func principal(bearer token: String) async throws(SimplonError) -> Principal {
    try await authenticator.principal(authorization: "Bearer \(token)", apikey: nil)
  }

  /// The code that a token is refused with, or nil when it is taken.
  func refusal(of token: String) async -> SimplonError.Code? {
    do {
      _ = try await principal(bearer: token)
      return nil
    } catch { return error.code }
  }
}
