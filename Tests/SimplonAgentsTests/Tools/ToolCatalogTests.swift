import SimplonAgents
import SimplonCore
import Testing

@Suite struct ToolCatalogTests {
  @Test(arguments: ["memory", "memory.search", "memory.", "storage.upload"])
  func `a tool that comes later is not supported`(name: String) {
    #expect(failure { try tools.declaration(named: name) }?.code == .planNotSupported)
  }

  @Test(arguments: ["", "pyton", "Python", "storage", "asks", "memories.x", ".memory"])
  func `any other name is unknown`(name: String) {
    let error = failure { try tools.declaration(named: name) }
    #expect(error?.code == .planUnknownTool)
    #expect(error?.hint == "tools: noop, python")
  }

  @Test func `a tool that is there is found even under a name reserved for later`() throws {
    let memory = ToolDeclaration(
      name: "memory", summary: "", inputSchema: [:], effect: .manual, timeout: .seconds(1), maximumTimeout: .seconds(1))
    #expect(try ToolCatalog([memory]).declaration(named: "memory") == memory)
    #expect(ToolCatalog([memory])["memory"] == memory)
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
