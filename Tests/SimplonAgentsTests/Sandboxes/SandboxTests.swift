import Glibc
import SimplonCore
import Testing

@testable import SimplonAgents

/// What a program finds, and what the start-up probe says.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SandboxTests {
  @Test(arguments: Setting.usable)
  func `a program gets its input, its environment and a writable folder`(_ setting: Setting) async throws {
    let result = try await Playground(setting).python(
      """
      import json, os, sys
      print(json.load(open(os.environ['SIMPLON_INPUT']))['n'], os.environ['GOT'], os.getcwd(), sys.argv[0])
      open('made.txt', 'w').write('hello')
      """, input: ["n": .number("12345678901234567890")], env: ["GOT": "a b\nc=ü"])
    #expect(result.stdout == "12345678901234567890 a b\nc=ü /work /simplon/program.py\n")
    #expect(result.layer?.entries.keys.map(\.text) == ["made.txt"])
  }

  @Test func `modules in the work folder can be imported and leave no byte code`() async throws {
    let result = try await Playground().python(
      "import code, pdb\nopen('helper.py','w').write('x = 42')\nimport helper\nprint(helper.x)")
    #expect(result.stdout == "42\n")
    #expect(result.layer?.entries.count == 1)
  }

  @Test func `lines come while the program runs`() async throws {
    let playground = try await Playground()
    let lines = Collected()
    async let result = playground.shell("echo one; until [ -e /tmp/never ]; do sleep 0.05; done", timeout: .seconds(3))
    {
      lines.add($0)
    }
    #expect(await eventually(within: .seconds(2)) { lines.all.map(\.text) == ["one"] })
    #expect(try await result.error?.code == .toolTimeout)
  }

  @Test(arguments: Setting.usable) func `the probe says what it found`(_ setting: Setting) async throws {
    let level = try await Playground(setting).sandbox.level
    #expect(level.isUsable && level.kind != .unsandboxed)
    if setting != .best { #expect(level.kind == .rlimits) }
    if level.kind == .rlimits { #expect(level.reason?.contains("control group") == true) }
  }

  @Test func `without bubblewrap programs are refused and other tools are not`() async throws {
    let playground = try await Playground(bwrap: "/nowhere/bwrap")
    #expect(playground.sandbox.level.kind == .none)
    #expect(playground.sandbox.level.reason?.contains("not installed") == true)
    let error = await #expect(throws: SimplonError.self) { try await playground.shell("echo") }
    #expect(error?.code == .toolUnavailable)
    #expect(try await playground.call("noop", ["a": 1]).output == ["a": 1])
  }

  @Test func `a broken bubblewrap is found at start`() async throws {
    let playground = try await Playground(bwrap: "/bin/false")
    #expect(playground.sandbox.level.kind == .none)
    #expect(playground.sandbox.level.reason?.isEmpty == false)
  }

  @Test func `a missing guard is found at start`() async throws {
    let folder = try TemporaryFolder()
    let sandbox = await Sandbox.probe(
      Sandbox.Configuration(guardCommand: ["/nowhere/simplon", "__guard"], folder: folder.path + "/running"),
      logger: .quiet)
    #expect(sandbox.level.kind == .none)
  }

  @Test(arguments: Setting.usable)
  func `the loud flag runs programs without a sandbox, yet not as root and not beyond their time`(_ setting: Setting)
    async throws
  {
    let playground = try await Playground(setting, allowUnsandboxed: true, bwrap: "/nowhere/bwrap")
    #expect(playground.sandbox.level.kind == .unsandboxed)
    let result = try await playground.shell("id -u; echo x >made; cat $SIMPLON_INPUT; echo; env | grep -c SECRET")
    #expect(result.stdout == "\(playground.sandbox.owner?.uid ?? geteuid())\nnull\n0\n")
    #expect(result.layer?.entries.count == 1)
    let mark = uniqueMark()
    let late = try await playground.shell(LifeTests.orphans(mark) + "\nsleep \(mark)", timeout: .seconds(2))
    #expect(late.error?.code == .toolTimeout)
    #expect(processes(with: mark).isEmpty)
  }

  @Test(.enabled(if: geteuid() == 0, "needs root, who can give its tools away"))
  func `root may give its tools to nobody else but never to root`() async throws {
    let folder = try TemporaryFolder()
    var configuration = Sandbox.Configuration(
      guardCommand: [Playground.executable, "__guard"], folder: folder.path + "/running")
    configuration.user = SandboxUser(uid: 0, gid: 0)
    let sandbox = await Sandbox.probe(configuration, logger: .quiet)
    #expect(sandbox.level.kind == .none)
    #expect(sandbox.level.reason?.contains("root") == true)
  }

  @Test(.enabled(if: geteuid() == 0, "needs root, whose tools have another user"))
  func `root's tools work below a folder that is closed to their user`()
    async throws
  {
    let outer = try TemporaryFolder()
    chmod(outer.path, 0o700)
    var configuration = Sandbox.Configuration(
      guardCommand: [Playground.executable, "__guard"], folder: outer.path + "/running")
    configuration.limits.minimumFree = 1 << 20
    #expect(await Sandbox.probe(configuration, logger: .quiet).level.isUsable)
  }
}
