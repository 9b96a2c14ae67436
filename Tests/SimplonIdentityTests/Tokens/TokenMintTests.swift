import FoundationEssentials
import JWTKit
import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct TokenMintTests {
  @Test(arguments: [Principal.Role.anon, .serviceRole]) func `a minted key is its role for ten years`(
    _ role: Principal.Role
  ) async throws {
    let world = try await World()
    let mint = try TokenMint(projectURL: World.project, secret: Forge.ownSecret, now: world.clock.now)
    let key = mint.key(for: role)
    let principal = try await world.authenticator.principal(authorization: nil, apikey: key)
    #expect(principal.role == role)
    #expect(principal.subject == nil)
    #expect(principal.expiresAt == world.clock.now() + 315_360_000)
  }

  @Test func `a minted token is its person until it ends`() async throws {
    let world = try await World()
    let mint = try TokenMint(projectURL: World.project, secret: Forge.ownSecret, now: world.clock.now)
    let person = UUID()
    let token = mint.token(sub: person, role: .authenticated, ttl: .seconds(3600))
    let principal = try await world.principal(bearer: token)
    #expect(principal.subject == person)
    #expect(principal.role == .authenticated)
    #expect(principal.issuer == World.own)
    #expect(principal.expiresAt == world.clock.now() + 3600)
    world.clock.advance(3630)
    #expect(await world.refusal(of: token) == .authExpired)
  }

  @Test(arguments: [
    (Duration.zero, 1), (.seconds(-5), 1), (.seconds(Int64.max), 315_360_000), (.milliseconds(1500), 1),
  ])
  func `a lifetime is from a second to ten years`(_ ttl: Duration, _ seconds: Int) async throws {
    let world = try await World()
    let mint = try TokenMint(projectURL: World.project, secret: Forge.ownSecret, now: world.clock.now)
    let principal = try await world.principal(bearer: mint.token(sub: UUID(), role: .authenticated, ttl: ttl))
    #expect(principal.expiresAt == world.clock.now() + seconds)
  }

  @Test func `jwt-kit takes a minted token`() async throws {
    struct Claims: JWTPayload {
      let sub: SubjectClaim
      let exp: ExpirationClaim
      let aud: AudienceClaim
      let iss: IssuerClaim
      func verify(using algorithm: some JWTAlgorithm) throws {
        try exp.verifyNotExpired()
        try aud.verifyIntendedAudience(includes: "authenticated")
      }
    }
    let mint = try TokenMint(projectURL: World.project, secret: Forge.ownSecret)
    let person = UUID()
    let keys = await JWTKeyCollection().add(hmac: HMACKey(from: Forge.ownSecret), digestAlgorithm: .sha256)
    let claims = try await keys.verify(
      mint.token(sub: person, role: .authenticated, ttl: .seconds(60)), as: Claims.self)
    #expect(claims.sub.value == person.uuidString.lowercased())
    #expect(claims.iss.value == World.own)
  }

  @Test func `a short secret mints nothing`() {
    let error = #expect(throws: SimplonError.self) { try TokenMint(projectURL: World.project, secret: "short") }
    #expect(error?.code == .configInvalid)
  }
}
