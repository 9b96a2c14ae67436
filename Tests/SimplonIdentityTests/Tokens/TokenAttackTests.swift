import JWTKit
import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct TokenAttackTests {
  /// One way to come in without right.
  struct Attack: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var code = SimplonError.Code.authInvalid
    let token: @Sendable (World) async throws -> String

    /// A token of the own project that differs from a good one by this alone.
    static func own(
      _ name: String, _ changes: [String: JSON] = [:], header: [String: JSON] = [:], secret: String = Forge.ownSecret,
      code: SimplonError.Code = .authInvalid
    ) -> Attack {
      Attack(testDescription: name, code: code) { world in
        try await Forge.token(world.claims(changes), header: header, by: .secret(secret))
      }
    }

    /// A token of the foreign project that differs from a good one by this alone.
    static func foreign(
      _ name: String, _ changes: [String: JSON] = [:], header: [String: JSON] = ["kid": "r1"],
      by signer: Forge.Signer = .rsa(Forge.rsa)
    ) -> Attack {
      Attack(testDescription: name) { world in
        try await Forge.token(world.foreignClaims(changes), header: header, by: signer)
      }
    }
  }

  static let stranger = Forge.jwk(Forge.otherRSA, id: "r1")
  static let pem = Forge.rsa.publicKey.pemRepresentation

  static let attacks: [Attack] = [
    // algorithm
    .own("alg none in capitals", header: ["alg": "NONE"]),
    Attack(testDescription: "alg none, no signature") { try await Forge.token($0.claims(), by: .nothing) },
    .own("alg none, a signature that would be right", header: ["alg": "none"]),
    .own("HS512", header: ["alg": "HS512"]),
    .own("alg absent", header: ["alg": nil]),
    .own("alg is an array", header: ["alg": ["HS256"]]),
    .foreign("HS256 over the RSA public key", header: ["kid": "r1"], by: .secret(pem)),
    .foreign("HS256 over the RSA public key, no kid", header: [:], by: .secret(pem)),
    .foreign("RS256 said, HS256 over the public key done", header: ["kid": "r1", "alg": "RS256"], by: .secret(pem)),
    .foreign("ES256 said of an RSA key", header: ["kid": "r1", "alg": "ES256"]),
    .foreign("RS256 said of a P-256 key", header: ["kid": "e1", "alg": "RS256"], by: .ec(Forge.ec)),
    .own("RS256 at an issuer with a secret", header: ["alg": "RS256"]),
    // key
    .own("another secret", secret: Forge.foreignSecret),
    .foreign("another RSA key under a known kid", by: .rsa(Forge.otherRSA)),
    .foreign("unknown kid, right key", header: ["kid": "r2"]),
    .foreign("unknown kid, another key", header: ["kid": "r2"], by: .rsa(Forge.otherRSA)),
    .foreign("another P-256 key", header: ["kid": "e1"], by: .ec(ES256PrivateKey())),
    .foreign("kid is a path", header: ["kid": "../../../../dev/null"], by: .secret(String(repeating: "\0", count: 32))),
    .foreign("kid is SQL", header: ["kid": "x' union select 'k"]),
    .foreign("kid is a number", header: ["kid": 1]),
    .foreign("kid is an empty string", header: ["kid": ""]),
    .foreign("the key comes along as jwk", header: ["jwk": stranger, "kid": "r1"], by: .rsa(Forge.otherRSA)),
    .foreign("the key comes along as jwk, no kid", header: ["jwk": stranger], by: .rsa(Forge.otherRSA)),
    .foreign(
      "the key's address comes along", header: ["jku": "https://evil.example", "kid": "x"], by: .rsa(Forge.otherRSA)),
    .own("crit", header: ["crit": ["b64"], "b64": false]),
    .own("crit empty", header: ["crit": []]),
    // claims
    .own("no iss", ["iss": nil]),
    .own("iss of nobody", ["iss": "https://evil.example/auth/v1"]),
    .own("iss of the foreign project", ["iss": .string(World.foreign)]),
    .own("iss almost right", ["iss": .string(World.own + "/")]),
    .own("iss is an array", ["iss": [.string(World.own)]]),
    .own("another audience", ["aud": "someone-else"]),
    .own("no audience", ["aud": nil]),
    .own("audience empty", ["aud": []]),
    .own("audience is an object", ["aud": ["authenticated": true]]),
    .own("another audience on a service token", ["aud": "someone-else", "role": "service_role"]),
    .own("no exp", ["exp": nil]),
    .own("exp is text", ["exp": "1900000000"]),
    .own("exp with an exponent", ["exp": .number("1e30")]),
    .own("exp too large for an integer", ["exp": .number("99999999999999999999")]),
    .own("expired", ["exp": 1_799_999_970], code: .authExpired),
    .own("expired since 1970", ["exp": 0], code: .authExpired),
    .own("expired since the big bang", ["exp": .integer(Int.min)], code: .authExpired),
    .own("not yet", ["nbf": 1_800_000_031], code: .authExpired),
    .own("issued in the future", ["iat": .integer(Int.max)], code: .authExpired),
    .own("an unknown role", ["role": "postgres"]),
    .own("no role", ["role": nil]),
    .own("role is an array", ["role": ["service_role"]]),
    .own("no subject", ["sub": nil]),
    .own("subject is a number", ["sub": 7]),
    .own("subject is no UUID", ["sub": "auth0|123"]),
    .own("subject is a UUID with braces", ["sub": "{6f1c2f0e-2b7a-4d0e-9a55-0f3c8f8a7d11}"]),
    // a foreign issuer
    .foreign("a foreign issuer that says service_role", ["role": "service_role"]),
    .foreign("a foreign issuer that says anon", ["role": "anon"]),
    .foreign("a foreign issuer that says nothing", ["role": nil]),
    .foreign("a foreign issuer that says supabase_admin", ["role": "supabase_admin"]),
    .foreign("a foreign issuer with our name", ["iss": .string(World.own)]),
    .foreign("a subject of 256 bytes", ["sub": .string(String(repeating: "x", count: 256))]),
    Attack(testDescription: "a sharing issuer that says service_role") { world in
      let claims = world.claims(["iss": .string(World.sharing), "aud": "people", "role": "service_role"])
      return try await Forge.token(claims, by: .secret(Forge.foreignSecret))
    },
    Attack(testDescription: "a sharing issuer whose subject is no UUID") { world in
      let claims = world.claims(["iss": .string(World.sharing), "aud": "people", "sub": "auth0|1"])
      return try await Forge.token(claims, by: .secret(Forge.foreignSecret))
    },
    Attack(testDescription: "the default audience where another is configured") { world in
      try await Forge.token(world.claims(["iss": .string(World.sharing)]), by: .secret(Forge.foreignSecret))
    },
    // text
    Attack(testDescription: "tampered payload") { world in
      let good = try await Forge.token(world.claims(), by: .secret(Forge.ownSecret)).split(separator: ".")
      let other = Base64URL.encode(world.claims(["role": "service_role"]).utf8)
      return "\(good[0]).\(other).\(good[2])"
    },
    Attack(testDescription: "empty signature") { world in
      try await cut(Forge.token(world.claims(), by: .secret(Forge.ownSecret)), from: 2) + "."
    },
    Attack(testDescription: "signature cut short") { world in
      String(try await Forge.token(world.claims(), by: .secret(Forge.ownSecret)).dropLast(4))
    },
    Attack(testDescription: "empty RSA signature") { world in
      try await cut(Forge.token(world.foreignClaims(), header: ["kid": "r1"], by: .rsa(Forge.rsa)), from: 2) + "."
    },
    Attack(testDescription: "P-256 signature of one byte") { world in
      try await cut(Forge.token(world.foreignClaims(), header: ["kid": "e1"], by: .ec(Forge.ec)), from: 2) + ".AA"
    },
    Attack(testDescription: "P-256 signature of zeros") { world in
      let content = try await cut(Forge.token(world.foreignClaims(), header: ["kid": "e1"], by: .ec(Forge.ec)), from: 2)
      return content + "." + Base64URL.encode([UInt8](repeating: 0, count: 64))
    },
    Attack(testDescription: "two parts") { world in
      try await cut(Forge.token(world.claims(), by: .secret(Forge.ownSecret)), from: 2)
    },
    Attack(testDescription: "four parts") { try await Forge.token($0.claims(), by: .secret(Forge.ownSecret)) + ".AA" },
    Attack(testDescription: "padding") { try await Forge.token($0.claims(), by: .secret(Forge.ownSecret)) + "=" },
    Attack(testDescription: "a member twice") { world in
      let text = world.claims().text.dropLast() + #","role":"service_role"}"#
      return try await Forge.token(text: String(text), by: .secret(Forge.ownSecret))
    },
    Attack(testDescription: "a member twice, once escaped") { world in
      let text = world.claims().text.dropLast() + #","\u0072ole":"service_role"}"#
      return try await Forge.token(text: String(text), by: .secret(Forge.ownSecret))
    },
    Attack(testDescription: "U+0000 in a claim") { world in
      let text = world.claims().text.dropLast() + #","x":"\u0000"}"#
      return try await Forge.token(text: String(text), by: .secret(Forge.ownSecret))
    },
    Attack(testDescription: "payload is an array") { _ in
      try await Forge.token(text: "[]", by: .secret(Forge.ownSecret))
    },
    Attack(testDescription: "payload nests 1000 deep") { world in
      let deep = String(repeating: "[", count: 1000) + String(repeating: "]", count: 1000)
      return try await Forge.token(text: #"{"x":\#(deep)}"#, by: .secret(Forge.ownSecret))
    },
    Attack(testDescription: "longer than 16 KiB") { world in
      let text = String(repeating: "x", count: 13_000)
      return try await Forge.token(world.claims(["x": .string(text)]), by: .secret(Forge.ownSecret))
    },
    Attack(testDescription: "only dots") { _ in ".." },
    Attack(testDescription: "not ASCII") { _ in "é.ü.ö" },
  ]

  @Test(arguments: attacks) func `a forged token is refused`(_ attack: Attack) async throws {
    let world = try await World()
    #expect(await world.refusal(of: try await attack.token(world)) == attack.code)
  }

  @Test func `the tokens that attacks start from are good`() async throws {
    let world = try await World()
    #expect(await world.refusal(of: try await Forge.token(world.claims(), by: .secret(Forge.ownSecret))) == nil)
    let rsa = try await Forge.token(world.foreignClaims(), header: ["kid": "r1"], by: .rsa(Forge.rsa))
    #expect(await world.refusal(of: rsa) == nil)
    let ec = try await Forge.token(world.foreignClaims(), header: ["kid": "e1"], by: .ec(Forge.ec))
    #expect(await world.refusal(of: ec) == nil)
    let sharing = world.claims(["iss": .string(World.sharing), "aud": "people"])
    #expect(await world.refusal(of: try await Forge.token(sharing, by: .secret(Forge.foreignSecret))) == nil)
  }

  @Test func `a refusal shows nothing of the token`() async throws {
    let world = try await World()
    let marker = "m4rk3r"
    for claim in ["iss", "role", "sub", "aud", "exp"] {
      let token = try await Forge.token(
        world.claims([claim: .string(marker)]), header: ["kid": .string(marker)], by: .secret(Forge.ownSecret))
      let error = await #expect(throws: SimplonError.self) { try await world.principal(bearer: token) }
      #expect(error.map { !"\($0) \(String(reflecting: $0)) \($0.hint ?? "")".contains(marker) } == true)
    }
  }

  private static func cut(_ token: String, from part: Int) -> String {
    token.split(separator: ".", omittingEmptySubsequences: false)[..<part].joined(separator: ".")
  }
}
