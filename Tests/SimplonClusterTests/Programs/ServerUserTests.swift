import Foundation
import SimplonAgents
import SimplonCore
import Testing

@testable import SimplonCluster

@Suite struct ServerUserTests {
  @Test(.enabled(if: geteuid() == 0, "only root becomes another user"), arguments: [[], ["no-such-user"]])
  func `PostgreSQL is never who the tools are`(missing: [String]) throws {
    let user = try #require(ServerUser(missing + (missing.isEmpty ? ["postgres", "daemon"] : ["daemon"])).other)
    #expect(user.user != 0)
    #expect(user.user != SandboxUser.nobody.uid)
    #expect(user.group != SandboxUser.nobody.gid)
  }

  @Test(.enabled(if: geteuid() == 0, "only root becomes another user"))
  func `without a user for PostgreSQL the start says how to make one`() {
    let error = #expect(throws: SimplonError.self) { try ServerUser(["no-such-user"]) }
    #expect(error?.hint?.contains("useradd") == true)
  }

  @Test(.enabled(if: geteuid() != 0, "root becomes another user"))
  func `who is not root stays who they are`() throws {
    #expect(try ServerUser(["no-such-user"]).other == nil)
  }
}
