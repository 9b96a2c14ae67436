import SimplonCore
import Testing

@testable import SimplonIdentity

@Suite struct APIKeysTests {
  @Test(
    arguments: [
      (["sb_secret_0123456789abcdef"], []), ([], ["sb_publishable_0123456789abcdef"]), (["sb_publishable_short"], []),
      ([], ["sb_secret_"]), (["garbage"], []), ([], ["a.b.c"]), ([""], []),
    ] as [([String], [String])])
  func `a key on the wrong side or too short is refused`(_ anon: [String], _ service: [String]) {
    let error = #expect(throws: SimplonError.self) { try APIKeys(anon: anon, service: service) }
    #expect(error?.code == .configInvalid)
  }

  @Test func `a legacy key is left to its signature, on its own side alone`() throws {
    let mint = try TokenMint(projectURL: World.project, secret: Forge.foreignSecret)
    let (anon, service) = (mint.key(for: .anon), mint.key(for: .serviceRole))
    _ = try APIKeys(anon: [anon], service: [service])
    let error = #expect(throws: SimplonError.self) { try APIKeys(anon: [service], service: [anon]) }
    #expect(error?.code == .configInvalid)
    #expect(error?.message.contains(service) == false)
  }

  @Test func `new secrets fit what takes them and differ`() throws {
    var generator = SystemRandomNumberGenerator()
    let publishable = (0..<10).map { _ in Secret.publishableKey(using: &generator) }
    let secret = (0..<10).map { _ in Secret.secretKey(using: &generator) }
    _ = try APIKeys(anon: publishable, service: secret)
    let jwt = (0..<10).map { _ in Secret.jwtSecret(using: &generator) }
    #expect(jwt.allSatisfy { $0.utf8.count == 64 })
    let passwords = (0..<10).map { _ in Secret.password(using: &generator) }
    #expect(passwords.allSatisfy { $0.utf8.count == 32 })
    #expect(Set(publishable + secret + jwt + passwords).count == 40)
  }
}
