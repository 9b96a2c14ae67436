import SimplonAgents
import SimplonCore
import Testing

@Suite struct ToolCatalogTests {
  @Test(arguments: ["storage.", "storage.upload"])
  func `a tool that comes later is not supported`(name: String) {
    #expect(failure { try tools.declaration(named: name) }?.code == .planNotSupported)
  }

  @Test(arguments: ["", "pyton", "Python", "storage", "asks", "runs", "memory", "memory.x", ".storage"])
  func `any other name is unknown`(name: String) {
    let error = failure { try tools.declaration(named: name) }
    #expect(error?.code == .planUnknownTool)
    #expect(error?.hint == "tools: noop, python")
  }

  @Test func `a tool that is there is found even under a name reserved for later`() throws {
    let list = ToolDeclaration(
      name: "storage.list", summary: "", inputSchema: [:], effect: .manual, timeout: .seconds(1),
      maximumTimeout: .seconds(1))
    #expect(try ToolCatalog([list]).declaration(named: "storage.list") == list)
    #expect(ToolCatalog([list])["storage.list"] == list)
    #expect(tools["nothing"] == nil)
    #expect(tools.all.map(\.name) == ["noop", "python"])
  }

  @Test func `a declaration checks an input at run time`() throws {
    let python = try #require(tools["python"])
    try python.check(["code": "1", "env": ["A": "${{"]])
    let error = failure { try python.check(["code": "1", "env": ["A": 42]]) }
    #expect(error?.code == .toolInput)
    #expect(error?.message == "the input of tool \"python\" does not fit: \"env.A\" must be a string")
  }
}
