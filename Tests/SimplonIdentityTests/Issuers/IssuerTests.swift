import Logging
import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct IssuerTests {
  private let logger = Logger(label: "test")

  @Test func `all fields of SIMPLON_ISSUERS are read`() async throws {
    let list: JSON = [
      [
        "issuer": "https://a.example", "aliases": ["a", "b"], "audience": ["x", "y"], "shares_people": true,
        "secret": .string(Forge.ownSecret), "jwks_url": "https://a.example/keys",
      ],
      ["issuer": "https://b.example", "jwks": .string(JSON.object(["keys": [Forge.jwk(Forge.ec, id: nil)]]).text)],
    ]
    let issuers = try await Issuer.list(parsing: list.text, logger: logger)
    #expect(issuers.map(\.url) == ["https://a.example", "https://b.example"])
    #expect(issuers.map(\.aliases) == [["a", "b"], []])
    #expect(issuers.map(\.audiences) == [["x", "y"], ["authenticated"]])
    #expect(issuers.map(\.sharesPeople) == [true, false])
    #expect(issuers.map { $0.secret != nil } == [true, false])
    #expect(issuers.map { $0.keys != nil } == [true, true])
    #expect(issuers.map(\.isOwn) == [false, false])
  }

  @Test(arguments: ["", " \n", "[]"]) func `no foreign issuer is fine`(_ text: String) async throws {
    #expect(try await Issuer.list(parsing: text, logger: logger).isEmpty)
  }

  @Test(arguments: [
    ("{", "SIMPLON_ISSUERS is not JSON"),
    ("{}", "SIMPLON_ISSUERS must be a JSON array"),
    ("[1]", "SIMPLON_ISSUERS[0] must be an object"),
    (#"[{"secret":"S"}]"#, #""issuer" of SIMPLON_ISSUERS[0]"#),
    (#"[{"issuer":"","secret":"S"}]"#, #""issuer" of SIMPLON_ISSUERS[0]"#),
    (#"[{"issuer":"x"}]"#, #"must have "secret", or one of "jwks" and "jwks_url""#),
    (#"[{"issuer":"x","jwks":{},"jwks_url":"https://x"}]"#, #"must have "secret", or one of"#),
    (#"[{"issuer":"x","secret":"short"}]"#, #""secret" of SIMPLON_ISSUERS[0] must be at least 32 bytes"#),
    (#"[{"issuer":"x","secret":"S","own":true}]"#, #"unknown fields: "own""#),
    (
      #"[{"issuer":"x","secret":"S","shares_people":"yes"}]"#,
      #""shares_people" of SIMPLON_ISSUERS[0] must be true or false"#
    ),
    (#"[{"issuer":"x","secret":"S","aliases":"a"}]"#, #""aliases" of SIMPLON_ISSUERS[0] must be an array of strings"#),
    (
      #"[{"issuer":"x","secret":"S","audience":[]}]"#, #""audience" of SIMPLON_ISSUERS[0] must be a string or an array"#
    ),
    (#"[{"issuer":"x","secret":"S","audience":[1]}]"#, #""audience" of SIMPLON_ISSUERS[0]"#),
    (#"[{"issuer":"x","secret":"S","audience":""}]"#, #""audience" of SIMPLON_ISSUERS[0]"#),
    (#"[{"issuer":"x","jwks":{"keys":[]}}]"#, #""jwks" of SIMPLON_ISSUERS[0] must be a JWKS"#),
    (#"[{"issuer":"x","jwks":"nonsense"}]"#, #""jwks" of SIMPLON_ISSUERS[0] must be a JWKS"#),
    (#"[{"issuer":"x","jwks":{"keys":[{"kty":"oct","k":"AA"}]}}]"#, #""jwks" of SIMPLON_ISSUERS[0] must be a JWKS"#),
    (
      #"[{"issuer":"x","jwks_url":"http://evil.example/k"}]"#, #""jwks_url" of SIMPLON_ISSUERS[0] must be an https URL"#
    ),
    (#"[{"issuer":"x","jwks_url":"http://localhost.evil.example/k"}]"#, #"must be an https URL"#),
    (#"[{"issuer":"x","jwks_url":"http://localhost@evil.example/k"}]"#, #"must be an https URL"#),
    (#"[{"issuer":"x","jwks_url":"file:///etc/passwd"}]"#, #"must be an https URL"#),
    (#"[{"issuer":"x","jwks_url":"https://"}]"#, #"must be an https URL"#),
    (#"[{"issuer":"x","jwks_url":""}]"#, #"must be an https URL"#),
  ])
  func `a wrong value names its field and what it may be`(_ text: String, _ message: String) async {
    let text = text.replacing(#""secret":"S""#, with: #""secret":"\#(Forge.ownSecret)""#)
    let error = await #expect(throws: SimplonError.self) { try await Issuer.list(parsing: text, logger: logger) }
    #expect(error?.code == .configInvalid)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains(Forge.ownSecret) == false)
  }

  @Test(arguments: ["http://localhost:9/k", "http://127.0.0.1/k", "http://[::1]:80/k", "https://x.example/k"])
  func `keys may come over https or from this machine`(_ url: String) throws {
    #expect(try Issuer.keysURL(url, named: "x") == url)
  }

  @Test func `the own issuer needs a good secret or keys`() throws {
    let short = #expect(throws: SimplonError.self) {
      try Issuer.own(projectURL: World.project, secret: String(repeating: "x", count: 31), logger: logger)
    }
    #expect(short?.code == .configInvalid)
    #expect(short?.message == "SUPABASE_JWT_SECRET must be at least 32 bytes")
    let plain = #expect(throws: SimplonError.self) {
      try Issuer.own(projectURL: "http://kong:8000", secret: nil, logger: logger)
    }
    #expect(plain?.code == .configInvalid)
  }

  @Test(arguments: [
    ("https://x.example", Forge.ownSecret, true), ("https://x.example", nil, true), (World.project, nil, true),
    (World.project, Forge.ownSecret, false),
  ])
  func `the own issuer's keys are fetched unless it is a local one with a secret`(
    _ url: String, _ secret: String?, _ areFetched: Bool
  ) throws {
    let issuer = try Issuer.own(projectURL: url, secret: secret, logger: logger)
    #expect((issuer.keys != nil) == areFetched)
    #expect((issuer.secret != nil) == (secret != nil))
  }

  @Test(arguments: ["https://x.example", "https://x.example/", "https://x.example//"])
  func `the own issuer is the project's sign-in service`(_ url: String) throws {
    let issuer = try Issuer.own(projectURL: url, aliases: ["y"], secret: Forge.ownSecret, logger: logger)
    #expect(issuer.url == "https://x.example/auth/v1")
    #expect(issuer.aliases == ["y", "supabase", "supabase-demo"])
    #expect(issuer.isOwn && issuer.sharesPeople)
  }
}
