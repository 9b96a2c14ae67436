import JWTKit
import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct KeySetTests {
  private func set(_ keys: JSON...) async throws -> KeySet { try await KeySet(["keys": .array(keys)]) }

  private func changed(_ jwk: JSON, _ changes: [String: JSON]) -> JSON {
    .object((jwk.object ?? [:]).merging(changes) { _, changed in changed })
  }

  @Test func `odd keys do not take the good one with them`() async throws {
    let good = Forge.jwk(Forge.rsa, id: "good")
    let set = try await set(
      ["kty": "oct", "k": "AAAA", "kid": "oct"], ["kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "okp"],
      ["kty": "what"], [:], 7, nil, ["kty": "RSA", "kid": "empty"], ["kty": "RSA", "n": "", "e": "", "kid": "none"],
      try Forge.smallJWK(id: "small"),
      ["kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off"],
      changed(good, ["kid": "enc", "use": "enc"]), changed(good, ["kid": "signs", "key_ops": ["sign"]]),
      changed(good, ["kid": "384", "alg": "RS384"]), changed(good, ["kid": "pss", "alg": "PS256"]),
      changed(Forge.jwk(Forge.ec, id: "p384"), ["crv": "P-384"]), good)
    for id in ["oct", "okp", "empty", "none", "small", "off", "enc", "signs", "384", "pss", "p384", "", "unknown"] {
      #expect(set.verifier(id, .rs256) == nil)
      #expect(set.verifier(id, .es256) == nil)
    }
    #expect(set.verifier("good", .rs256) != nil)
    #expect(set.verifier("good", .es256) == nil)
  }

  @Test func `a token without kid gets the only key of its kind or none`() async throws {
    let one = try await set(Forge.jwk(Forge.rsa, id: "a"), Forge.jwk(Forge.ec, id: nil))
    #expect(one.verifier(nil, .rs256) != nil)
    #expect(one.verifier(nil, .es256) != nil)
    // A key without a name is nobody's by name.
    #expect(one.verifier("a", .es256) == nil)
    let two = try await set(Forge.jwk(Forge.rsa, id: "a"), Forge.jwk(Forge.otherRSA, id: "b"))
    #expect(two.verifier(nil, .rs256) == nil)
  }

  @Test func `no key is ever a symmetric one`() async throws {
    let set = try await set(["kty": "oct", "k": "AAAA", "kid": "a"], Forge.jwk(Forge.rsa, id: "a"))
    #expect(set.verifier("a", .hs256) == nil)
  }

  @Test(arguments: [nil, [], [:], ["keys": [:]]] as [JSON]) func `what is no JWKS is refused`(_ json: JSON) async {
    let error = await #expect(throws: SimplonError.self) { try await KeySet(json) }
    #expect(error?.code == .configInvalid)
  }
}
