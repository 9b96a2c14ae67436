import Logging
import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct AuthenticatorTests {
  @Test func `Authorization beats apikey`() async throws {
    let world = try await World()
    let token = try await Forge.token(world.claims(), by: .secret(Forge.ownSecret))
    let principal = try await world.authenticator.principal(authorization: "bearer  \(token)", apikey: World.secretKey)
    #expect(principal.role == .authenticated)
  }

  @Test(arguments: [
    "Bearer sb_secret_unknown_unknown", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "Bearer", "", "Bearer a b",
    "Basic \(World.secretKey)", "\(World.secretKey)",
  ])
  func `a bad Authorization is refused although apikey is good`(_ authorization: String) async throws {
    let world = try await World()
    let error = await #expect(throws: SimplonError.self) {
      try await world.authenticator.principal(authorization: authorization, apikey: World.secretKey)
    }
    #expect(error?.code == .authInvalid)
  }

  @Test(arguments: [(World.publishable, Principal.Role.anon), (World.secretKey, .serviceRole)])
  func `an opaque key is its role, in either header`(_ key: String, _ role: Principal.Role) async throws {
    let world = try await World()
    for (authorization, apikey) in [(nil, key), ("Bearer \(key)", nil), ("Bearer \(key)", key)] {
      let principal = try await world.authenticator.principal(authorization: authorization, apikey: apikey)
      #expect(principal == Principal(role: role, source: .key))
    }
  }

  @Test func `with neither header the token is missing`() async throws {
    let world = try await World()
    let error = await #expect(throws: SimplonError.self) {
      try await world.authenticator.principal(authorization: nil, apikey: nil)
    }
    #expect(error?.code == .authMissing)
  }

  @Test(arguments: ["", "sb_", "sb_secret_", "sb_secret_0123456789abcdeF", "sb_publishable_0123456789abcdef0"])
  func `an unknown key is refused`(_ key: String) async throws {
    let world = try await World()
    let error = await #expect(throws: SimplonError.self) {
      try await world.authenticator.principal(authorization: nil, apikey: key)
    }
    #expect(error?.code == .authInvalid)
  }

  @Test func `a person's token is no API key, known or not`() async throws {
    let world = try await World()
    let token = try await Forge.token(world.claims(), by: .secret(Forge.ownSecret))
    for _ in 0..<2 {
      let error = await #expect(throws: SimplonError.self) {
        try await world.authenticator.principal(authorization: nil, apikey: token)
      }
      #expect(error?.code == .authInvalid)
      _ = try await world.principal(bearer: token)
    }
  }

  @Test func `a known token still ends with its expiry`() async throws {
    let world = try await World()
    let token = try await Forge.token(
      world.claims(["exp": .integer(world.clock.now() + 5)]), by: .secret(Forge.ownSecret))
    _ = try await world.principal(bearer: token)
    world.clock.advance(4)
    #expect(await world.refusal(of: token) == nil)
    world.clock.advance(31)
    #expect(await world.refusal(of: token) == .authExpired)
  }

  @Test func `a project may sign with its secret and with its keys at once`() async throws {
    let world = try await World()
    let own = Issuer(
      url: World.own, aliases: [], audiences: ["authenticated"], sharesPeople: true, isOwn: true,
      secret: try Issuer.secret(Forge.ownSecret, named: "x"),
      keys: .fixed(try await KeySet(["keys": [Forge.jwk(Forge.ec, id: "e1")]])))
    let authenticator = try Authenticator(issuers: [own], keys: APIKeys(), now: world.clock.now)
    for (signer, header) in [(Forge.Signer.secret(Forge.ownSecret), [:]), (.ec(Forge.ec), ["kid": "e1"])]
      as [(Forge.Signer, [String: JSON])]
    {
      let token = try await Forge.token(world.claims(), header: header, by: signer)
      let principal = try await authenticator.principal(authorization: "Bearer \(token)", apikey: nil)
      #expect(principal.role == .authenticated)
    }
  }

  @Test func `issuers must differ in name and secret`() throws {
    let logger = Logger(label: "test")
    func issuer(_ url: String, _ secret: String) throws -> Issuer {
      try .own(projectURL: url, secret: secret, logger: logger)
    }
    for pair in [
      [try issuer("https://a.example", Forge.ownSecret), try issuer("https://b.example", Forge.foreignSecret)],
      [
        try issuer("https://a.example", Forge.ownSecret),
        Issuer(
          url: "https://b.example", aliases: [], audiences: [], sharesPeople: false, isOwn: false,
          secret: try Issuer.secret(Forge.ownSecret, named: "x"), keys: nil),
      ],
    ] {
      let error = #expect(throws: SimplonError.self) { try Authenticator(issuers: pair, keys: APIKeys()) }
      #expect(error?.code == .configInvalid)
    }
  }

  @Test func `a token's origin is what it says, and whether that holds here`() async throws {
    let world = try await World()
    let own = try await Forge.token(world.claims(), by: .secret(Forge.ownSecret))
    #expect(
      try await world.authenticator.origin(of: own) == TokenOrigin(issuer: World.own, project: nil, isTrusted: true))
    let other = try await Forge.token(world.claims(["ref": "other"]), by: .secret(Forge.foreignSecret))
    let stranger = TokenOrigin(issuer: World.own, project: "other", isTrusted: false)
    #expect(try await world.authenticator.origin(of: other) == stranger)
    let unknown = try await Forge.token(world.claims(["iss": "https://x.example"]), by: .secret(Forge.ownSecret))
    #expect(try await world.authenticator.origin(of: unknown).isTrusted == false)
    let expired = try await Forge.token(world.claims(["exp": 1]), by: .secret(Forge.ownSecret))
    #expect(try await world.authenticator.origin(of: expired).isTrusted)
    let error = await #expect(throws: SimplonError.self) { try await world.authenticator.origin(of: "no token") }
    #expect(error?.code == .authInvalid)
  }
}
