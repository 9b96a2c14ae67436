import SimplonCore
import Testing

@testable import SimplonAgents

struct ApprovalRulesTests {
  private static let rules = """
    [{"tool": "shell", "expires": "1h"}, {"tool": "http", "argument": "method", "matches": "POST|PUT"},
     {"connector": "crm"}, {"tool": "sql", "argument": "query", "matches": "*delete*from*"},
     {"tool": "noop", "argument": "order.amount"}, {"tool": "noop", "argument": "n", "matches": "1*|-*"},
     {"tool": "http", "argument": "url", "matches": "https://bank.test/transfer*|*/purge|*action=drop*"},
     {"tool": "http", "argument": "path", "matches": "/admin/x|*to=a@b*"},
     {"tool": "noop", "argument": "cost", "matches": "1000|-0.25"},
     {"connector": "readers", "argument": "write", "matches": "false"}]
    """

  @Test(
    arguments: [
      ("shell", ["command": "true"], true), ("python", ["code": "1"], false),
      ("http", ["method": "POST", "url": "http://a"], true), ("http", ["method": "PUT", "url": "http://a"], true),
      ("http", ["method": "PATCH", "url": "http://a"], false), ("http", ["url": "http://a"], false),
      ("http", ["connector": "crm", "path": "/"], true), ("http", ["connector": "crm2", "path": "/"], false),
      ("sql", ["connector": "crm", "query": "select 1"], true),
      ("sql", ["connector": "other", "query": "DELETE x FROM y"], true),
      ("sql", ["connector": "other", "query": "delete"], false), ("noop", [:], false),
      ("noop", ["order": ["amount": 5]], true), ("noop", ["order": ["amount": nil]], false),
      ("noop", ["order": "amount"], false), ("noop", ["n": 12], true), ("noop", ["n": 21], false),
      ("noop", ["n": .number("-3")], true),
      ("noop", ["cost": .number("1e3")], true), ("noop", ["cost": .number("1000.0")], true),
      ("noop", ["cost": .number("-2.5e-1")], true), ("noop", ["cost": .number("1e4")], false),
      ("sql", ["connector": "readers", "query": "x"], true),
      ("sql", ["connector": "readers", "query": "x", "write": true], false),
      ("http", ["url": "https://bank.test/x"], false), ("http", ["url": "HTTPS://BANK.test:443/%74ransfer"], true),
      ("http", ["url": "https://bank.test/x/%2e%2E/./transfer/1"], true),
      ("http", ["url": "https://bank.test//transfer"], true),
      ("http", ["url": "http://a/%70urge", "query": ["x": 1]], true), ("http", ["url": "http://a/purge?x=1"], true),
      ("http", ["url": "http://a/b%2Fpurge"], true), ("http", ["url": "http://a/b/purge;c/;d/"], true),
      ("http", ["url": "http://a/b%2F..;%2F%2fpurge"], true),
      ("http", ["connector": "zoo", "query": ["to": "a@b"]], true), ("http", ["query": ["to": "a@b"]], false),
      ("http", ["url": "http://a/", "query": ["action": "drop"]], true),
      ("http", ["url": "http://a/?%61ction=drop"], true), ("http", ["url": "http://a/", "query": ["a": "b"]], false),
      ("http", ["connector": "zoo", "path": "/%61dmin/x"], true),
      ("http", ["connector": "zoo", "path": "/admin//x"], true),
      ("http", ["connector": "zoo", "path": "//admin/x"], true), ("http", ["connector": "zoo", "path": "/x"], false),
    ] as [(String, JSON, Bool)])
  func `a rule holds for the calls to which all of it applies`(_ tool: String, _ input: JSON, _ holds: Bool) throws {
    let rules = try ApprovalRules(parsing: Self.rules, tools: ToolBox.catalog)
    let declaration = try ToolBox.catalog.declaration(named: tool)
    #expect((rules.rule(for: declaration, input) != nil) == holds)
  }

  @Test func `what a call leaves out counts as the tool's default`() throws {
    let rules = try ApprovalRules(
      parsing: #"[{"tool": "http", "argument": "method", "matches": "get"}]"#, tools: ToolBox.catalog)
    #expect(rules.rule(for: HTTPTool.declaration, ["url": "http://a"]) != nil)
  }

  @Test func `a rule for all tools leaves questions alone`() throws {
    let rules = try ApprovalRules(parsing: #"[{"tool": "*", "expires": "2h"}]"#, tools: ToolBox.catalog)
    #expect(rules.rule(for: NoopTool.declaration, [:])?.expires == .seconds(7200))
    #expect(rules.rule(for: AskTool.declaration, ["question": "x"]) == nil)
    #expect(rules.rule(for: Supervisor.question("model.1").declaration, [:]) == nil)
  }

  @Test(arguments: [
    ("x", "JSON"), (#"{"tool": "shell"}"#, "JSON"), ("[1]", "[0]"), (#"[{"tool": "shel"}]"#, "tool"),
    (#"[{"tool": "ask"}]"#, "ask"), (#"[{"argument": "a"}]"#, "connector"),
    (#"[{"tool": "noop", "argument": "a."}]"#, "dots"),
    (#"[{"tool": "noop", "matches": "a"}]"#, "argument"), (#"[{"tool": "noop", "expires": "1y"}]"#, "expires"),
    (#"[{"tool": "noop", "when": "now"}]"#, "when"),
  ]) func `a rule that cannot hold anything back stops the start`(_ text: String, _ names: String) {
    let error = #expect(throws: SimplonError.self) { try ApprovalRules(parsing: text, tools: ToolBox.catalog) }
    #expect(error?.code == .configInvalid)
    #expect(error?.message.contains("SIMPLON_APPROVALS") == true && error?.message.contains(names) == true)
  }

  @Test(arguments: [
    ("a", "a", true), ("a", "A", true), ("a", "ab", false), ("a*", "ab", true), ("*a", "ba", true),
    ("*a*", "bab", true),
    ("a*a", "a", false), ("a*a", "aa", true), ("*", "", true), ("", "", true), ("", "a", false), ("a|b", "b", true),
    ("a*b*c", "abbc", true), ("a*b*c", "acb", false), ("*ab*ab*", "ab", false), ("*ab*ab*", "xabab", true),
    ("*.example.com", "a.example.com", true), ("*.example.com", "example.com", false), ("*é*", "caf\u{e9}!", true),
  ]) func `a pattern matches whole texts`(_ pattern: String, _ text: String, _ matches: Bool) {
    #expect(TextPattern(pattern).matches(text) == matches)
  }

  @Test func `no rules are an empty text`() throws {
    #expect(try ApprovalRules(parsing: " \n", tools: ToolBox.catalog) == .none)
    #expect(ApprovalRules.none.rule(for: NoopTool.declaration, [:]) == nil)
  }
}
