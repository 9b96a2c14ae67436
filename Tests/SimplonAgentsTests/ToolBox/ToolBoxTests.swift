import SimplonCore
import Testing

@testable import SimplonAgents

@Suite(.serialized, .timeLimit(.minutes(2))) struct ToolBoxTests {
  @Test func `every tool declares itself soundly`() {
    let memory = ["memory.delete", "memory.get", "memory.put", "memory.search"]
    #expect(
      ToolBox.catalog.all.map(\.name) == ["ask", "files", "http"] + memory + ["noop", "python", "run", "shell", "sql"])
    for tool in ToolBox.catalog.all {
      #expect(InputSchema(tool.inputSchema).faults.isEmpty, "\(tool.name)")
      let effects: [String: EffectKind] = [
        "memory.delete": .idempotent, "memory.put": .idempotent, "run": .reconcile,
      ]
      #expect(tool.effect(of: [:]) == effects[tool.name, default: .pure], "\(tool.name)")
      #expect(tool.timeout <= tool.maximumTimeout && !tool.summary.isEmpty)
    }
    #expect(ToolBox.catalog["python"]?.literalFields == ["code"])
    #expect(ToolBox.catalog["shell"]?.literalFields == ["command"])
    #expect(ToolBox.catalog.all.filter { !$0.verbatimFields.isEmpty }.map(\.name) == ["run"])
    #expect(ToolBox.catalog.all.filter { !$0.usesFiles }.map(\.name) == ["ask", "http"] + memory + ["noop", "sql"])
  }

  @Test func `a program's output has every field`() async throws {
    let result = try await Playground().shell("echo out; echo err >&2")
    #expect(result.output.object?.keys.sorted() == ["duration_ms", "exit_code", "stderr", "stdout", "truncated"])
    #expect(result.stdout == "out\n" && result.stderr == "err\n" && result.exitCode == 0)
    #expect(result.output["truncated"] == false)
    #expect((0...10_000).contains(result.output["duration_ms"]?.integer ?? -1))
  }

  @Test func `output that is no text is kept raw as a blob`() async throws {
    let playground = try await Playground()
    let lines = Collected()
    let result = try await playground.python(
      "import sys\nsys.stdout.buffer.write(b'a\\0b\\xff\\n')\nprint('fine', file=sys.stderr)"
    ) { lines.add($0) }
    #expect(result.stdout == "a\u{FFFD}b\u{FFFD}\n")
    let blob = try #require(result.output["stdout_blob"]?.string)
    #expect(try await playground.blobs.read(blob, for: nil, limit: 100) == [0x61, 0, 0x62, 0xFF, 10])
    #expect(result.output["stderr_blob"] == nil)
    #expect(Set(lines.all.map(\.text)) == ["a\u{FFFD}b\u{FFFD}", "fine"])
    #expect(lines.all.first { $0.stream == "stdout" }?.damaged == true)
  }

  @Test func `long output is cut between characters`() async throws {
    let result = try await Playground().python("print('x' + '日' * 100000)")
    #expect(result.output["truncated"] == true)
    #expect(result.stdout.utf8.count <= ProgramOutputs.limit && result.stdout.utf8.count > ProgramOutputs.limit - 4)
    #expect(result.output["stdout_blob"] == nil)
    #expect(result.stdout.hasSuffix("日"))
  }

  @Test(
    arguments: [
      ["command": "x", "nonsense": 1], [:], ["command": 1], ["command": ""], ["command": "x", "env": ["A": 1]],
      ["command": "x", "env": ["1A": "x"]], ["command": "x", "env": ["A-B": "x"]], ["command": "x", "env": ["": "x"]],
      ["command": "x", "env": ["SIMPLON_INPUT": "x"]], ["command": "x", "env": ["LD_PRELOAD": "x"]],
      ["command": "x", "env": ["Ä": "x"]],
      ["command": "x", "env": ["A": .string(String(repeating: "ü", count: 40_000))]],
      [
        "command": "x",
        "env": .object(
          Dictionary(uniqueKeysWithValues: (0..<10).map { ("A\($0)", .string(String(repeating: "x", count: 60_000))) })),
      ],
      ["command": "x", "env": .object(Dictionary(uniqueKeysWithValues: (0..<1001).map { ("A\($0)", "x") }))],
    ] as [JSON])
  func `an input that does not fit fails the step`(_ input: JSON) async throws {
    let result = try await Playground().call("shell", input)
    #expect(result.error?.code == .toolInput)
    #expect(result.output == .null)
  }

  @Test func `values of the greatest length get through`() async throws {
    let value = String(repeating: "x", count: 64 * 1024)
    let result = try await Playground().call(
      "shell",
      [
        "command": "printf %s \"$A$B$C$D$E$F$G\" | wc -c",
        "env": .object(Dictionary(uniqueKeysWithValues: "ABCDEFG".map { (String($0), .string(value)) })),
      ])
    #expect(result.stdout == "\(7 * 64 * 1024)\n", "\(result.stderr)")
    let code = "x = '\(String(repeating: "y", count: 1 << 20))'\nprint(len(x))"
    #expect(try await Playground().python(code).stdout == "\(1 << 20)\n")
  }

  @Test func `a thousand variables get through`() async throws {
    let variables = Dictionary(uniqueKeysWithValues: (0..<1000).map { ("A\($0)", JSON.string("x")) })
    let result = try await Playground().call("shell", ["command": "env | grep -c ^A", "env": .object(variables)])
    #expect(result.stdout == "1000\n", "\(result.stderr)")
  }

  @Test func `programs beyond the number at once wait for their turn`() async throws {
    // Of three places, one is for another user.
    let playground = try await Playground(atOnce: 3)
    let times = try await withThrowingTaskGroup(of: [Int].self) { group in
      for _ in 0..<5 {
        group.addTask {
          let result = try await playground.python(
            "import time\nprint(time.monotonic_ns(), flush=True)\ntime.sleep(0.3)\nprint(time.monotonic_ns())")
          return result.stdout.split(separator: "\n").compactMap { Int($0) }
        }
      }
      return try await group.reduce(into: [[Int]]()) { $0.append($1) }
    }
    for (start, end) in times.map({ ($0[0], $0[1]) }) {
      #expect(times.count { $0[0] < end && start < $0[1] } <= 3)
      #expect(times.count { $0[0] <= start && start < $0[1] } <= 2)
    }
  }

  @Test func `a call that is cancelled while it waits for its turn throws, and one whose lease ends too`() async throws
  {
    let counts = Counts()
    let playground = try await Playground(atOnce: 1, metrics: counts)
    let mark = uniqueMark()
    let first = Task { try await playground.shell("sleep \(mark)") }
    #expect(await eventually { !processes(with: "sleep\0\(mark)").isEmpty })
    let waiting = Task { try await playground.shell("echo") }
    #expect(await eventually { !counts.all.isEmpty })
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(counts.all == ["simplon_sandbox_waiting_steps 1", "simplon_sandbox_waiting_steps 0"])
    let lease = Lease()
    lease.extend(by: .seconds(60), from: Lease.now())
    let stale = Task { try await playground.shell("echo", lease: lease) }
    lease.revoke()
    first.cancel()
    let error = await #expect(throws: SimplonError.self) { try await stale.value }
    #expect(error?.code == .runStale)
    await #expect(throws: CancellationError.self) { try await first.value }
  }

  @Test func `unknown tools are refused by the catalog's codes`() async throws {
    let playground = try await Playground()
    for (name, code) in [("nonsense", SimplonError.Code.planUnknownTool), ("storage.get", .planNotSupported)] {
      let error = await #expect(throws: SimplonError.self) { try await playground.call(name, [:]) }
      #expect(error?.code == code)
    }
  }

  @Test func `noop gives its input back`() async throws {
    let result = try await Playground().call("noop", ["a": [1, nil]])
    #expect(result.output == ["a": [1, nil]])
    #expect(result.layer == nil && result.error == nil)
  }
}
