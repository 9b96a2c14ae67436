import Glibc
import SimplonCore
import Subprocess
import Testing

@testable import SimplonAgents

/// What a guard does when its worker cannot act any more.
///
/// The worker is a small program that starts a guard, gives it a spec and then does nothing.
@Suite(.serialized, .timeLimit(.minutes(2))) struct WorkerTests {
  /// Prints the guard's process id; what the guard writes is left unread.
  static let worker = """
    import subprocess, sys, os
    guard = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    guard.stdin.write(open(sys.argv[1], 'rb').read()); guard.stdin.flush()
    print(guard.pid, flush=True)
    guard.wait()
    print('guard gone', flush=True)
    sys.stdin.read()
    """

  struct Stage {
    let playground: Playground
    let mark: String
    let work: String
    let deadline: UInt64
    let guardProcess: pid_t
    let workerProcess: pid_t

    var hasGroup: Bool { guardsGroups().contains { $0.hasSuffix("-\(guardProcess)") } }
    var isAlive: Bool { !processes(with: "sleep\0\(mark)").isEmpty }
  }

  /// Starts a worker with one sandbox in which a program sleeps.
  func stage(
    _ setting: Setting, lease: Duration, script: String = "", bwrap: String? = nil,
    until isReady: (Stage) -> Bool = { processes(with: "sleep\0\($0.mark)").count >= 4 },
    _ body: (Stage) async throws -> Void
  ) async throws {
    let playground = try await Playground(setting)
    let mark = uniqueMark()
    let scratch = try #require(playground.sandbox.scratch)
    let folder = try scratch.make()
    let file = try File("\(folder)/call/command.sh", O_WRONLY | O_CREAT, mode: 0o644, for: "test")
    try file.write(Array("\(script)\n\(LifeTests.orphans(mark))\nsleep \(mark)".utf8))
    if let owner = playground.sandbox.owner {
      for name in ["", "/work", "/call"] { lchown(folder + name, owner.uid, owner.gid) }
    }
    let configuration = playground.sandbox.configuration
    let deadline = Lease.now() + UInt64(lease.milliseconds) * 1_000_000
    let spec = GuardFrame.start(
      SandboxJob(
        command: ["/bin/sh", "/simplon/command.sh", "stage-\(mark)"], environment: ["PATH": "/usr/bin"],
        work: "\(folder)/work",
        call: "\(folder)/call", timeout: .seconds(60)),
      bwrap: bwrap ?? configuration.bwrap, arguments: BubblewrapArguments.arguments(playground.sandbox.limits),
      limits: playground.sandbox.limits, user: configuration.user, cgroup: UInt64(configuration.cgroup ?? 255),
      deadline: deadline)
    try File("\(folder)/spec", O_WRONLY | O_CREAT, for: "test").write(spec)
    _ = try await run(
      .name("sh"),
      arguments: Arguments(
        ["-c", "exec /usr/bin/python3 \"$@\"", "sh", "-c", Self.worker, "\(folder)/spec"] + configuration.guardCommand),
      input: .inputWriter, output: .sequence, error: .discarded
    ) { execution in
      defer { kill(execution.processIdentifier.value, SIGKILL) }
      var lines = execution.standardOutput.strings().makeAsyncIterator()
      let said = try #require(try await lines.next())
      let guardProcess = try #require(pid_t(said))
      let stage = Stage(
        playground: playground, mark: mark, work: "\(folder)/work", deadline: deadline, guardProcess: guardProcess,
        workerProcess: execution.processIdentifier.value)
      #expect(await eventually { isReady(stage) })
      try await body(stage)
    }
  }

  @Test(arguments: Setting.usable)
  func `the sandbox of a paused worker dies at the lease's end`(_ setting: Setting) async throws {
    try await stage(setting, lease: .seconds(3)) { stage in
      kill(stage.workerProcess, SIGSTOP)
      #expect(stage.isAlive)
      #expect(await eventually { !stage.isAlive })
      let now = Lease.now()
      #expect(now >= stage.deadline && now < stage.deadline + 2_000_000_000)
      #expect(await eventually { processes(with: stage.mark).isEmpty })
      // The guard goes too, though nobody reads what it says.
      #expect(await eventually { isGone(stage.guardProcess) })
      kill(stage.workerProcess, SIGCONT)
    }
  }

  @Test(arguments: Setting.usable)
  func `so it does when the tool floods a worker that does not read`(_ setting: Setting) async throws {
    try await stage(setting, lease: .seconds(3), script: "yes &") { stage in
      kill(stage.workerProcess, SIGSTOP)
      #expect(await eventually { !stage.isAlive })
      #expect(await eventually { isGone(stage.guardProcess) })
      kill(stage.workerProcess, SIGCONT)
    }
  }

  @Test(arguments: Setting.usable)
  func `the sandbox of a killed worker dies at once`(_ setting: Setting) async throws {
    try await stage(setting, lease: .seconds(600)) { stage in
      kill(stage.workerProcess, SIGKILL)
      #expect(await eventually(within: .seconds(2)) { !stage.isAlive && isGone(stage.guardProcess) })
      #expect(!stage.hasGroup)
    }
  }

  @Test(arguments: Setting.usable)
  func `the sandbox of a killed guard dies at once and the next guard tidies up`(_ setting: Setting) async throws {
    try await stage(setting, lease: .seconds(600)) { stage in
      kill(stage.guardProcess, SIGKILL)
      #expect(await eventually(within: .seconds(2)) { !stage.isAlive && processes(with: stage.mark).isEmpty })
      _ = try await stage.playground.shell("true")
      #expect(await eventually { !stage.hasGroup })
    }
  }

  @Test(.enabled("needs a control group") { try await Playground.hasGroups })
  func `a guard that is killed before it has set the limits lets no program start`() async throws {
    // A bubblewrap that begins when the guard has been paused. Not in /tmp, which root's guard covers.
    let folder = "/var/tmp/simplon-test-\(uniqueMark())"
    mkdir(folder, 0o711)
    defer { FolderRemoval.remove(folder) }
    let slow = "#!/bin/sh\nuntil [ -e \(folder)/go ]; do sleep 0.01; done\nexec /usr/bin/bwrap \"$@\"\n"
    try File("\(folder)/bwrap", O_WRONLY | O_CREAT, mode: 0o755, for: "test").write(Array(slow.utf8))
    try await stage(
      .best, lease: .seconds(600), script: ": >/work/started", bwrap: "\(folder)/bwrap",
      until: { !processes(with: "stage-\($0.mark)").isEmpty }
    ) { stage in
      try #require(stage.hasGroup)
      kill(stage.guardProcess, SIGSTOP)
      try File("\(folder)/go", O_WRONLY | O_CREAT, mode: 0o644, for: "test").write([])
      // Of bubblewrap's two processes the one inside waits for the guard's word.
      #expect(await eventually { processes(with: "stage-\(stage.mark)").filter(isWaitingForPipe).count == 1 })
      kill(stage.guardProcess, SIGKILL)
      #expect(await eventually { processes(with: "stage-\(stage.mark)").count == 1 })
      // The next guard ends what is left.
      _ = try await stage.playground.shell("true")
      #expect(await eventually { processes(with: "stage-\(stage.mark)").isEmpty })
      #expect(access("\(stage.work)/started", F_OK) != 0)
    }
  }

  @Test func `a guard that is told to stop ends its sandbox first`() async throws {
    try await stage(.best, lease: .seconds(600)) { stage in
      kill(stage.guardProcess, SIGTERM)
      #expect(await eventually(within: .seconds(2)) { isGone(stage.guardProcess) })
      #expect(processes(with: stage.mark).isEmpty)
      #expect(!stage.hasGroup)
    }
  }

  @Test(
    arguments: [
      [], [0x47, 0, 0, 0, 0], [0x51, 0, 0, 0, 0], [0x4E, 1, 0, 0, 0, 0], [0x41, 255, 255, 255, 255],
      Array(repeating: 0x41, count: 3),
    ] as [[UInt8]])
  func `a guard with a broken spec starts nothing`(_ spec: [UInt8]) async throws {
    let result = try await run(
      .name("sh"), arguments: ["-c", "exec \"$0\" __guard", Playground.executable], input: .array(spec),
      output: .string(limit: 1000), error: .discarded)
    #expect(result.terminationStatus == .exited(64))
    #expect(result.standardOutput == "")
  }
}

/// Whether a process reads from a pipe that nobody has written to.
func isWaitingForPipe(_ pid: pid_t) -> Bool {
  let bytes = try? File("/proc/\(pid)/wchan", O_RDONLY, for: "look").read()
  return bytes.map { String(decoding: $0, as: UTF8.self).contains("pipe_read") } ?? false
}

/// Whether a process is gone or waits only to be reaped.
func isGone(_ pid: pid_t) -> Bool {
  guard let bytes = try? File("/proc/\(pid)/stat", O_RDONLY, for: "look").read() else { return true }
  let text = String(decoding: bytes, as: UTF8.self)
  return text[(text.lastIndex(of: ")") ?? text.startIndex)...].hasPrefix(") Z")
}
