import SimplonCore
import Testing

@testable import SimplonAgents

@Suite struct PlanYAMLTests {
  @Test(
    arguments: [
      ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("No", "No"),
      ("2026-11-20", "2026-11-20"),
      ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"), ("190:20:30", "190:20:30"), ("1:30", "1:30"),
      ("1_000", "1_000"), ("0b11", "0b11"), ("0o8", "0o8"), ("0x", "0x"), ("-0x1F", "-0x1F"), ("=", "="),
      ("1.2.3", "1.2.3"),
      ("1e", "1e"), ("+", "+"), ("-.", "-."), (".", "."), ("e5", "e5"), ("tRue", "tRue"), ("nUll", "nUll"),
      ("5s", "5s"),
      ("\"no\"", "no"), ("'1'", "1"), ("\"\"", ""), ("\"~\"", "~"), ("|\n  1\n", "1\n"), (">-\n  a\n  b\n", "a b"),
      ("\"\\u00e9\"", "\u{e9}"), ("'don''t'", "don't"), ("a & b * c", "a & b * c"), ("\"&a *a\"", "&a *a"),
      ("null", nil), ("Null", nil), ("NULL", nil), ("~", nil), ("", nil),
      ("true", true), ("True", true), ("TRUE", true), ("false", false), ("FALSE", false),
      ("0", 0), ("017", 17), ("+12", 12), ("-12", -12), ("-0", .number("-0")), ("0o17", 15), ("0x1F", 31),
      ("0xffffffffffffffff", .number("18446744073709551615")),
      ("123456789012345678901234567890", .number("123456789012345678901234567890")), ("1.50", .number("1.50")),
      (".5", .number("0.5")),
      ("-.5", .number("-0.5")), ("1.", .number("1")), ("1.e3", .number("1e3")), ("1e-3", .number("1e-3")),
      ("685.230_15", "685.230_15"),
      ("12e03", .number("12e03")), ("+.5E+2", .number("0.5E+2")), ("[1, no, {a: ~}]", [1, "no", ["a": nil]]),
      ("{1: a, true: b, ~: c}", ["1": "a", "true": "b", "~": "c"]),
    ] as [(String, JSON)])
  func `scalars follow the core schema of YAML one point two`(yaml: String, value: JSON) throws {
    #expect(try JSON(yaml: "v: \(yaml)") == ["v": value])
  }

  @Test(arguments: [
    ("a: 1\nb: &x 2\n", 2), ("a: &x [1]\nb: *x\n", 1), ("a: 1\n\nb: *x\n", 3), ("&r a: 1", 1), ("- &a x\n- *a", 1),
    ("a: 1\n<<: {b: 1}\n", 2), ("a: !!str 1", 1), ("a: 1\nb: !custom x", 2), ("b: !custom {x: 1}", 1),
    ("b: !!seq [1]", 1),
    ("b: !!int \"1\"", 1), ("!!int a: 1\nb: 2", 1), ("a: 1\n---\nb: 1\n", 2), ("a: 1\nb: 2\na: 3\n", 1),
    ("a: {x: 1, 'x': 2}", 1),
    ("1: a\n\"1\": b\n", 1), ("? [a]\n: 1\n", 1), ("? {a: 1}\n: 1\n", 1), ("a: .inf", 1), ("a: -.Inf", 1),
    ("a: .nan", 1), ("a: \"\\0\"", 1),
    ("a: 0x10000000000000000", 1), ("a: 1\nb: [1, 2\nc: 3", 3), ("a: 1\n\tb: 2", 2), ("a: 'x", 1), ("a: b: c", 1),
    ("%FOO\na: 1", 1), ("a: \"\\q\"", 1),
    ("a:\n  - 1\n b: 2", 3), ("@a", 1), ("a: 1\nb: \u{1}", 2), ("&a : 1", 1), ("v: !=x", 1),
  ])
  func `what is refused has a code and its line`(yaml: String, line: Int) throws {
    let error = try #require(failure { try JSON(yaml: yaml) })
    #expect(error.code == .planInvalid)
    let told = try #require(error.details?["line"]?.integer, "\(error)")
    #expect(abs(told - line) <= 1, "\(error)")
    #expect(error.message.contains("line \(told)"))
  }

  @Test(arguments: ["", "# nothing", "---", "---\n..."])
  func `nothing is no plan`(yaml: String) {
    #expect(failure { try Plan(yaml: yaml, tools: tools) }?.code == .planInvalid)
  }

  @Test(.timeLimit(.minutes(1))) func `a bomb of aliases is refused at once`() throws {
    var yaml = "a0: &a0 [x, x]\n"
    for level in 1...60 {
      yaml += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", "))]\n"
    }
    yaml += "? *a60\n: 1\n"
    #expect(failure { try JSON(yaml: yaml) }?.code == .planInvalid)
  }

  @Test(
    .timeLimit(.minutes(1)),
    arguments: [
      "[", "{a: ", "- ", "? ", "{", "[{", "a: [", "- - ? ", "!a ", "&a ", "\"", "'", "|\n", "a:\n ", "}", "- [", "((",
      "\u{feff}", "\r", "%", "---\n",
    ])
  func `deep or endless text is refused and never traps`(piece: String) {
    _ = failure { try JSON(yaml: String(repeating: piece, count: 20_000)) }
    _ = failure { try JSON(yaml: "a: " + String(repeating: piece, count: 20_000)) }
  }

  @Test func `nesting stops at sixty four levels`() {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    #expect(failure { try JSON(yaml: nested(64)) } == nil)
    #expect(failure { try JSON(yaml: nested(65)) }?.code == .planTooLarge)
    #expect(failure { try JSON(yaml: "a: \(nested(900))") }?.code == .planTooLarge)
  }

  @Test func `ampersands and stars in programs are no anchors`() throws {
    let yaml = """
      steps:
        - id: a
          tool: python
          with:
            code: |
              a = &x * *y
              &anchor *alias && ls & # & *
            env: { A: "&b *c", B: 'x &y', C: a &b *c }   # &d *e
      """
    let plan = try Plan(yaml: yaml, tools: tools)
    #expect(plan.steps.first?.input["code"] == "a = &x * *y\n&anchor *alias && ls & # & *\n")
    #expect(plan.steps.first?.input["env"] == ["A": "&b *c", "B": "x &y", "C": "a &b *c"])
  }

  @Test func `a plan in JSON is read as JSON`() throws {
    let text =
      #"{"steps": [{"id": "a", "tool": "noop", "with": {"x": "\#u{5C}ud83d\#u{5C}ude00\#u{5C}/", "y": 1e2, "z": "no"}}]}"#
    let plan = try Plan(yaml: text, tools: tools)
    #expect(plan.steps.first?.input == ["x": "\u{1F600}/", "y": .number("1e2"), "z": "no"])
    #expect(try Plan(yaml: "{steps: [{id: a, tool: noop}]}", tools: tools).steps.count == 1)
    #expect(failure { try Plan(yaml: #"{"steps": [], "steps": []}"#, tools: tools) }?.code == .planInvalid)
  }

  @Test func `a text above four mebibytes is refused`() {
    let yaml = "steps: [{id: a, tool: noop}] #" + String(repeating: "x", count: 4 << 20)
    #expect(failure { try Plan(yaml: yaml, tools: tools) }?.code == .planTooLarge)
  }

  @Test func `a carriage return and a byte order mark do no harm`() throws {
    let plan = try Plan(yaml: "\u{feff}version: 1\r\nsteps:\r\n  - id: a\r\n    tool: noop\r\n", tools: tools)
    #expect(plan.steps.map(\.id) == ["a"])
  }
}
