import FoundationEssentials
import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct PrincipalTests {
  @Test func `a person of the own project keeps its claims to the letter`() async throws {
    let world = try await World()
    let text = world.claims().text.dropLast() + #","big":12345678901234567890.10,"app_metadata":{"a":1.0}}"#
    let principal = try await world.principal(bearer: Forge.token(text: String(text), by: .secret(Forge.ownSecret)))
    #expect(principal.role == .authenticated)
    #expect(principal.subject == UUID(uuidString: World.person))
    #expect(principal.issuer == World.own)
    #expect(principal.source == .jwt)
    #expect(principal.expiresAt == world.clock.now() + 3600)
    #expect(try principal.claims == JSON(parsing: String(text)))
    #expect(principal.claimsText.contains(#""big":12345678901234567890.10"#))
  }

  @Test func `a subject in capitals is the same person`() async throws {
    let world = try await World()
    let token = try await Forge.token(
      world.claims(["sub": .string(World.person.uppercased())]), by: .secret(Forge.ownSecret))
    let principal = try await world.principal(bearer: token)
    #expect(principal.subject == UUID(uuidString: World.person))
    #expect(principal.claims["sub"]?.string == World.person)
  }

  @Test func `equal subjects of an issuer that does not share people are another person`() async throws {
    let world = try await World()
    let ours = try await world.principal(bearer: Forge.token(world.claims(), by: .secret(Forge.ownSecret)))
    let theirs = try await world.principal(
      bearer: Forge.token(world.foreignClaims(), header: ["kid": "r1"], by: .rsa(Forge.rsa)))
    #expect(theirs.subject != ours.subject)
    #expect(theirs.claims["sub"]?.string == theirs.subject?.uuidString.lowercased())
    #expect(theirs.claims["original_sub"]?.string == World.person)
    #expect(theirs.claims["iss"]?.string == World.foreign)
  }

  @Test func `equal subjects of an issuer that shares people are the same person`() async throws {
    let world = try await World()
    let claims = world.claims(["iss": .string(World.sharing), "aud": ["x", "people"]])
    let principal = try await world.principal(bearer: Forge.token(claims, by: .secret(Forge.foreignSecret)))
    #expect(principal.subject == UUID(uuidString: World.person))
    #expect(principal.claims["original_sub"] == nil)
  }

  @Test func `a foreign subject that is no UUID becomes one, under an alias too`() async throws {
    let world = try await World()
    var people = Set<UUID?>()
    for name in [World.foreign, "core"] {
      let claims = world.foreignClaims(["iss": .string(name), "sub": "auth0|7", "original_sub": "forged"])
      let principal = try await world.principal(bearer: Forge.token(claims, header: ["kid": "e1"], by: .ec(Forge.ec)))
      people.insert(principal.subject)
      #expect(principal.issuer == World.foreign)
      #expect(principal.claims["original_sub"] == "auth0|7")
    }
    // Python: uuid5(uuid5(NAMESPACE_URL, "https://core.example/auth/v1"), "auth0|7")
    #expect(people == [UUID(uuidString: "f8f12341-848c-58ac-bb92-6fd27abccb8f")])
  }

  @Test(arguments: ["supabase", "supabase-demo", World.own], [Principal.Role.anon, .serviceRole])
  func `a legacy key is its role and nobody`(_ issuer: String, _ role: Principal.Role) async throws {
    let world = try await World()
    let claims = world.claims([
      "iss": .string(issuer), "ref": "abc", "role": .string(role.rawValue), "aud": nil, "iat": nil,
    ])
    let key = try await Forge.token(claims, by: .secret(Forge.ownSecret))
    let principal = try await world.authenticator.principal(authorization: nil, apikey: key)
    #expect(principal.role == role)
    #expect(principal.subject == nil)
    #expect(principal.source == .key)
    #expect(principal.claims["sub"] == nil)
    #expect(principal.claims["role"]?.string == role.rawValue)
    #expect(try await world.principal(bearer: key) == principal)
  }

  @Test(
    arguments: [
      (["exp": 1_799_999_971], nil), (["exp": .number("1799999971.9")], nil), (["nbf": 1_800_000_030], nil),
      (["iat": .number("1800000030.9")], nil), (["exp": .integer(Int.max)], nil),
    ] as [([String: JSON], SimplonError.Code?)])
  func `clocks may be half a minute apart`(_ changes: [String: JSON], _ code: SimplonError.Code?) async throws {
    let world = try await World()
    #expect(await world.refusal(of: try await Forge.token(world.claims(changes), by: .secret(Forge.ownSecret))) == code)
  }

  @Test func `an expiry beyond all calendars is brought to the last one`() async throws {
    let world = try await World()
    let token = try await Forge.token(world.claims(["exp": .integer(Int.max)]), by: .secret(Forge.ownSecret))
    #expect(try await world.principal(bearer: token).expiresAt == 253_402_300_799)
  }

  @Test func `role and subject in the claims are always the principal's`() {
    let principal = Principal(role: .anon, claims: ["role": "service_role", "sub": "x", "a": 1], source: .local)
    #expect(principal.claimsText == #"{"a":1,"role":"anon"}"#)
  }
}
